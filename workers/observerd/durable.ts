/** Operations and reviews as operators handle them. Training sets are objects of storaged; all else is in memory. */
import { join } from "node:path";
import type { Durable, Inspected } from "../../runtime/durable.ts";
import { bothPoints, holdFiles } from "../../runtime/held-files.ts";
import { closedLog, damage, inspectLineLog, openToInspect } from "../../runtime/inspect-line-log.ts";
import { logDamageOf } from "../../runtime/log-mark.ts";
import type { Line } from "./operations-line.ts";
import { segmentFormat } from "./operations-segment.ts";
import type { OperationsStore } from "./operations-store.ts";
import { checkJudged, type Reviews, reviewsFormat, reviewsName } from "./review-log.ts";

const remedyOf = (file: string) => (line: number) =>
  `restore observerd from a backup, or let it go: all other lines are served. To have /readyz say so, stop observerd, ${
    line > 0 ? `delete line ${line} of ${file} (sed -i ${line}d)` : `keep the whole lines of ${file}`
  }, and start it with --adopt=observerd/${file}`;

/** A point has every operation and review that was acknowledged, and the files that belong together. */
export function durableLogs(
  directory: string,
  {
    operations,
    reviews,
  }: { operations: Pick<OperationsStore, "atRest" | "lacking" | "found">; reviews: Pick<Reviews, "atRest"> },
): Durable {
  return {
    point: () =>
      bothPoints(
        () => reviews.atRest(() => holdFiles(directory, [reviewsName, `${reviewsName}.damaged`])),
        () => operations.atRest((files) => holdFiles(directory, files)),
      ),
    inspect: async function* (signal) {
      const common = { directory, service: "observerd", signal };
      yield* inspectReviews(reviews, common);
      yield* inspectOperations(operations, common);
    },
  };
}

interface Common {
  directory: string;
  service: string;
  signal: AbortSignal;
}

async function* inspectReviews(reviews: Pick<Reviews, "atRest">, common: Common): AsyncGenerator<Inspected> {
  try {
    yield* inspectLineLog({
      ...common,
      ...reviewsFormat,
      file: reviewsName,
      opened: await reviews.atRest((state) => openToInspect(join(common.directory, reviewsName), state)),
      check: checkJudged,
      remedy: remedyOf(reviewsName),
    });
  } catch (cause) {
    const refused = logDamageOf(cause);
    if (!refused) throw cause;
    yield closedLog(refused);
  }
}

/** Each file, and that none lacks operations which the next one's checkpoint has counted. */
async function* inspectOperations(
  operations: Pick<OperationsStore, "atRest" | "lacking" | "found">,
  common: Common,
): AsyncGenerator<Inspected> {
  const { directory } = common;
  for (const lacking of operations.lacking()) yield closedLog(lacking);
  const told = new Set(operations.lacking().map(({ place }) => place));
  let counted: number | undefined;
  for (const file of await operations.atRest(async (names) => names)) {
    const isTold = told.has(`${common.service}/${file}`);
    const found = await operations.atRest(async (names, stateOf) => ({
      isKept: names.includes(file),
      opened: await openToInspect(join(directory, file), isTold ? undefined : stateOf(file)),
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
    for await (const step of inspectLineLog<Line>({
      ...common,
      ...segmentFormat,
      file,
      opened,
      check,
      remedy,
    })) {
      // Files that are over are not read at a start: readiness hears of them here.
      if ("finding" in step && step.finding.severity === "damage")
        operations.found(`${step.finding.place}: ${step.finding.problem}`);
      yield step;
    }
    if (missing > 0)
      yield damage(
        `observerd/${file}`,
        `${missing} operations that came before it are in no file`,
        remedy(0),
      );
  }
}
