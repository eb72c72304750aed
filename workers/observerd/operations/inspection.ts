/** Reads every line of the operations' log again. */
import { join } from "node:path";
import type { Inspected } from "../../../runtime/durable/durable.ts";
import { closedLog, damage, inspectLineLog, openToInspect } from "../../../runtime/line-log/line-log.ts";
import { type Line, segmentFormat } from "./line.ts";
import type { OperationsStore } from "./store.ts";

interface Inspection {
  directory: string;
  service: string;
  signal: AbortSignal;
  /** What to do about damage in the file, at a line or, for line 0, as a whole. */
  remedyOf: (file: string) => (line: number) => string;
}

/** Each file, and that none lacks operations which the next one's checkpoint has counted. */
export async function* inspectOperations(
  operations: Pick<OperationsStore, "atRest" | "incomplete" | "reportDamage">,
  { remedyOf, ...common }: Inspection,
): AsyncGenerator<Inspected> {
  const { directory } = common;
  for (const segment of operations.incomplete()) yield closedLog(segment);
  const reported = new Set(operations.incomplete().map(({ place }) => place));
  let counted: number | undefined;
  for (const file of await operations.atRest(async (names) => names)) {
    const isReported = reported.has(`${common.service}/${file}`);
    const found = await operations.atRest(async (names, stateOf) => ({
      isKept: names.includes(file),
      opened: await openToInspect(join(directory, file), isReported ? undefined : stateOf(file)),
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
        operations.reportDamage(`${step.finding.place}: ${step.finding.problem}`);
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
