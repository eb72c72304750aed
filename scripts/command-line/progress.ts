/** How far long command-line work is: a bar redrawn on a terminal, a plain line now and then anywhere else. */

export interface ProgressBar {
  /** `note` says what is worked on, as `objects of primary`. A total that is not known yet is 0. */
  step: (done: number, total: number, note?: string) => void;
  /** Clears the bar. Say afterwards what came of the work. */
  end: () => void;
}

interface ProgressOptions {
  /** What counts, as `rows`; `bytes` are shown as KB, MB and GB. */
  unit: string;
  /** Where the bar goes; never the output that other programs read. */
  stream?: { isTTY?: boolean; columns?: number; write: (text: string) => unknown };
  now?: () => number;
}

/** Redrawn at most this often on a terminal, and printed this often elsewhere, in milliseconds. */
const redrawMs = 100;
const printMs = 5000;
const barWidth = 24;
const units = ["B", "KB", "MB", "GB", "TB"];

/** Starts a bar with what the work is called, as `backup`. */
export function createProgress(label: string, options: ProgressOptions): ProgressBar {
  const { unit, stream = process.stderr, now = () => performance.now() } = options;
  const started = now();
  let shown = stream.isTTY ? Number.NEGATIVE_INFINITY : started;
  const clear = () => void (stream.isTTY && stream.write("\r\x1b[K"));
  return {
    step: (done, total, note) => {
      const at = now();
      if (at - shown < (stream.isTTY ? redrawMs : printMs) && (done < total || !stream.isTTY)) return;
      shown = at;
      const text = lineOf(label, { done, total, note, unit, seconds: (at - started) / 1000 });
      clear();
      stream.write(stream.isTTY ? text.slice(0, (stream.columns ?? 80) - 1) : `${text}\n`);
    },
    end: clear,
  };
}

interface State {
  done: number;
  total: number;
  note: string | undefined;
  unit: string;
  seconds: number;
}

/** One state of the work as a line without a line end: bar, share, amount, rate and the time that is left. */
export function lineOf(label: string, { done, total, note, unit, seconds }: State): string {
  const share = total > 0 ? Math.min(1, done / total) : 0;
  const full = Math.round(share * barWidth);
  const bar =
    total > 0 ? `[${"#".repeat(full)}${".".repeat(barWidth - full)}] ${Math.floor(share * 100)}% ` : "";
  const amount = total > 0 ? `${amountOf(done, unit)} of ${amountOf(total, unit)}` : amountOf(done, unit);
  const rate = seconds > 0 ? done / seconds : 0;
  const pace =
    rate >= 1 || done === 0 ? `${amountOf(Math.round(rate), unit)}/s` : `${(1 / rate).toFixed(1)} s each`;
  const left = total > done && rate > 0 ? `, ${durationOf((total - done) / rate)} left` : "";
  const about = note === undefined ? "" : `, ${note}`;
  return `${label} ${bar}${amount}, ${pace}${left}${about}`;
}

/** A count as people read it: `1,200 rows`, or `1.2 MB` for the unit `bytes`. */
export function amountOf(count: number, unit: string): string {
  if (unit !== "bytes") return `${count.toLocaleString("en-US")} ${unit}`;
  const power = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, count)) / 3)));
  return `${(count / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`;
}

function durationOf(seconds: number): string {
  const whole = Math.ceil(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}
