/** The files below a table's own places, and their removal when it is purged. No object of a dataset is among them. */
import pMap from "p-map";
import type { OpenVersion } from "../versions/versions.ts";
import { keyIn, type State } from "./state.ts";

const concurrency = 8;
const pageSize = 1000;

/** Objects by the catalog's names for them. */
export async function* objectsBelow(state: State, { locations }: OpenVersion) {
  const roots = await state.roots();
  for (const place of locations) {
    const { bucket, key: folder } = keyIn(place, roots);
    // Objects of datasets go when no version of any names them.
    if (bucket === "primary") continue;
    for (let page_token: string | undefined; ; ) {
      const page = await state.deps.storage.list({
        ...{ bucket, prefix: `${folder}/`, page_size: pageSize },
        ...(page_token !== undefined && { page_token }),
      });
      for (const object of page.objects) yield { ...object, key: `${bucket}://${object.key}` };
      page_token = page.next_page_token;
      if (page_token === undefined) break;
    }
  }
}

export async function removeFiles(state: State, table: OpenVersion): Promise<void> {
  const { erase } = state.deps.storage;
  await pMap(objectsBelow(state, table), ({ key }) => erase({ key }), { concurrency });
}
