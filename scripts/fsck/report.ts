/** The report of a check: each finding as it comes, a line for each service, and a summary. */
import type { Finding, Progress } from "../../runtime/durable/durable.ts";
import { createProgress } from "../command-line/command-line.ts";

interface Checked {
  service: string;
  findings: Finding[];
  /** How many of what was read, as `{"objects of primary": 12}`. */
  read: Record<string, number>;
  /** Why it could not be checked to its end. */
  unchecked?: string;
}

interface Report {
  /** Begins with a service; what it finds comes to these. */
  begin: (service: string) => {
    finding: (finding: Finding) => void;
    progress: (progress: Progress) => void;
    end: (unchecked: string | undefined) => void;
  };
  /** Tells the summary; the exit code. */
  end: (gateway: string) => number;
}

/** For what is asked for, text or JSON, and for bars. */
export const terminal = {
  print: (text: string) => void process.stdout.write(`${text}\n`),
  bar: (label: string) => createProgress(label, { unit: "steps" }),
};

const countOf = (checked: readonly Checked[], severity: Finding["severity"]): number =>
  checked.reduce(
    (sum, { findings }) => sum + findings.filter((each) => each.severity === severity).length,
    0,
  );

/** 0 whole, 1 damage found, 2 something could not be checked and nothing else is damaged. */
function exitCodeOf(checked: readonly Checked[]): number {
  if (countOf(checked, "damage") > 0) return 1;
  return checked.some(({ unchecked }) => unchecked !== undefined) ? 2 : 0;
}

/** A report in text for people, or as one JSON document at the end. */
export function createReport({ json }: { json: boolean }): Report {
  const all: Checked[] = [];
  const print = (text: string): void => (json ? undefined : terminal.print(text));
  return {
    begin: (service) => {
      const checked: Checked = { service, findings: [], read: {} };
      all.push(checked);
      const bar = terminal.bar(`fsck ${service}`);
      return {
        finding: (finding) => {
          checked.findings.push(finding);
          bar.end();
          print(findingText(finding));
        },
        progress: ({ done, total, of }) => {
          checked.read[of] = Math.max(done, checked.read[of] ?? 0);
          bar.step(done, total, of);
        },
        end: (unchecked) => {
          if (unchecked !== undefined) checked.unchecked = unchecked;
          bar.end();
          print(serviceText(checked));
        },
      };
    },
    end: (gateway) => {
      const exit = exitCodeOf(all);
      const damage = countOf(all, "damage");
      const leftover = countOf(all, "leftover");
      if (json)
        terminal.print(JSON.stringify({ ok: exit === 0, gateway, damage, leftover, services: all }, null, 2));
      else terminal.print(summary(all, damage, leftover));
      return exit;
    },
  };
}

const findingText = ({ severity, place, problem, remedy }: Finding): string =>
  `${severity === "damage" ? "DAMAGE  " : "leftover"}  ${place}\n          ${problem}\n          do: ${remedy}`;

function serviceText(checked: Checked): string {
  const { service, findings, read, unchecked } = checked;
  const damage = countOf([checked], "damage");
  const leftover = findings.length - damage;
  const state = [
    ...(unchecked === undefined ? [] : [`NOT CHECKED: ${unchecked}`]),
    ...(damage > 0 ? [`${damage} damaged`] : unchecked === undefined ? ["whole"] : []),
    ...(leftover > 0 ? [`${leftover} left over`] : []),
  ].join(", ");
  const amounts = Object.entries(read).map(([of, count]) => `${count.toLocaleString("en-US")} ${of}`);
  return `${service.padEnd(10)} ${state}${amounts.length > 0 ? ` (${amounts.join(", ")})` : ""}`;
}

function summary(all: readonly Checked[], damage: number, leftover: number): string {
  const unchecked = all.filter((each) => each.unchecked !== undefined).map(({ service }) => service);
  const whole = all.length - unchecked.length;
  const counts = `${damage} damaged, ${leftover} left over`;
  const rest = unchecked.length > 0 ? `; could not check ${unchecked.join(", ")}` : "";
  return `\nfsck: ${whole} ${whole === 1 ? "service" : "services"} checked, ${counts}${rest}`;
}
