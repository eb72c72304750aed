/** Removes the files of a table that was purged: what is below its own places in the warehouse, and nothing else. */
import pMap from "p-map";
import type { OpenVersion } from "../versions/versions.ts";
import { keyOf } from "./addresses.ts";
import { type State, warehouseBucket } from "./state.ts";

const concurrency = 8;

export async function removeFiles(state: State, { locations }: OpenVersion): Promise<void> {
  const { list, erase } = state.deps.storage;
  const roots = await state.roots();
  for (const place of locations) {
    const folder = keyOf(place, roots);
    // Objects of datasets go when no version of any names them.
    if (!folder?.startsWith(`${warehouseBucket}://`)) continue;
    const prefix = `${folder.slice(`${warehouseBucket}://`.length)}/`;
    for (let page_token: string | undefined; ; ) {
      const page = await list({
        ...{ bucket: warehouseBucket, prefix, page_size: 1000 },
        ...(page_token !== undefined && { page_token }),
      });
      await pMap(page.objects, ({ key }) => erase({ bucket: warehouseBucket, key }), { concurrency });
      page_token = page.next_page_token;
      if (page_token === undefined) break;
    }
  }
}
