/** Operations and reviews as operators handle them. Training sets are objects of storaged; all else is in memory. */
import { join } from "node:path";
import type { Durable, Inspected } from "../../runtime/durable.ts";
import { bothPoints, holdFiles } from "../../runtime/held-files.ts";
import { damage, inspectLineLog, openToInspect } from "../../runtime/inspect-line-log.ts";
import type { Line } from "./operations-line.ts";
import { segmentFormat } from "./operations-segment.ts";
import type { OperationsStore } from "./operations-store.ts";
import { checkJudged, type Reviews, reviewsFormat, reviewsName } from "./review-log.ts";

const remedyOf = (file: string) => (line: number) =>
  `restore observerd from a backup, or let it go: all other lines are served. To have /readyz say so, stop observerd, ${
    line > 0 ? `delete line ${line} of ${file} (sed -i ${line}d)` : `keep the whole lines of ${file}`
  }, and start it`;

/** A point has every operation and review that was acknowledged, and the files that belong together. */
export function durableLogs(
  directory: string,
  { operations, reviews }: { operations: Pick<OperationsStore, "atRest">; reviews: Pick<Reviews, "atRest"> },
): Durable {
  return {
    point: () =>
      bothPoints(
        () => reviews.atRest(() => holdFiles(directory, [reviewsName, `${reviewsName}.damaged`])),
        () => operations.atRest((files) => holdFiles(directory, files)),
      ),
    inspect: async function* (signal) {
      const common = { directory, service: "observerd", signal };
      yield* inspectLineLog({
        ...common,
        ...reviewsFormat,
        file: reviewsName,
        opened: await reviews.atRest((bytes) => openToInspect(join(directory, reviewsName), bytes)),
        check: checkJudged,
        remedy: remedyOf(reviewsName),
      });
      yield* inspectOperations(operations, common);
    },
  };
}

/** Each file, and that none lacks operations which the next one's checkpoint has counted. */
async function* inspectOperations(
  operations: Pick<OperationsStore, "atRest">,
  common: { directory: string; service: string; signal: AbortSignal },
): AsyncGenerator<Inspected> {
  const { directory } = common;
  let counted: number | undefined;
  for (const file of await operations.atRest(async (names) => names)) {
    const found = await operations.atRest(async (names, bytes) => ({
      isKept: names.includes(file),
      opened: await openToInspect(join(directory, file), file === names.at(-1) ? bytes : undefined),
    }));
    if (!found.isKept) {
      // The oldest went meanwhile.
      await found.opened?.handle.close();
      continue;
    }
    let missing = 0;
    const check = ({ base, operation }: Line) => {
      if (base) {
        missing = counted === undefined ? 0 : base.stats.total - counted;
        counted = base.stats.total;
      }
      if (operation && counted !== undefined) counted += 1;
    };
    const remedy = remedyOf(file);
    const { opened } = found;
    yield* inspectLineLog<Line>({ ...common, ...segmentFormat, file, opened, check, remedy });
    if (missing > 0)
      yield damage(
        `observerd/${file}`,
        `${missing} operations that came before it are in no file`,
        remedy(0),
      );
  }
}
