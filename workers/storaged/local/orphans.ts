/** What belongs to no object in a local bucket: pieces that a crash has left, and sidecars whose object is gone. */
import { join, relative } from "node:path";
import type { Finding } from "../../../runtime/durable/durable.ts";
import type { KeyedMutex } from "../../../runtime/scheduling/scheduling.ts";
import { isThere, type Layout, namesIn } from "./layout.ts";

const problems: Readonly<Record<string, string>> = {
  part: "a sidecar that was never completed",
  former: "the sidecar of an object that was gone before sidecars told what was deleted",
};

/** Files among the sidecars that belong to no object. */
export async function* orphans(layout: Layout, lock: KeyedMutex): AsyncGenerator<Finding> {
  for (const folder of await namesIn(layout.records)) {
    for (const name of await namesIn(join(layout.records, folder))) {
      const problem = problems[name.slice(name.lastIndexOf(".") + 1)];
      if (problem === undefined) continue;
      const path = join(layout.records, folder, name);
      // Wait for current writers: a sidecar being written is in place or gone afterwards.
      await lock.settled();
      if (!(await isThere(path))) continue;
      const place = relative(layout.root, path);
      yield { severity: "leftover", place, problem, remedy: `stop Lakehouse and remove ${path}` };
    }
  }
}
