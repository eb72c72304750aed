/** The table of `bun run status`. */

export interface Row {
  name: string;
  state: string;
  uptime_seconds?: number;
  restarts?: number;
  requests_per_second?: number;
  open?: number;
  waiting?: number;
  /** Upper bounds: as fine as the buckets of the histogram. */
  p50_ms?: number;
  p99_ms?: number;
  last_error?: string;
}

export interface Disk {
  path: string;
  freeBytes: number;
  totalBytes: number;
}

const number = (value: number | undefined, digits = 0): string =>
  value === undefined ? "–" : value.toFixed(digits);
const bound = (ms: number | undefined): string => (ms === undefined ? "–" : `≤${Number(ms.toPrecision(3))}`);

function age(seconds: number | undefined): string {
  if (seconds === undefined) return "–";
  if (seconds < 120) return `${Math.floor(seconds)} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86_400)} d`;
}

const GiB = 1024 ** 3;
const heads = [
  "service",
  "state",
  "up",
  "restarts",
  "req/s",
  "open",
  "waiting",
  "p50 ms",
  "p99 ms",
  "last error",
];

/** Columns as wide as what is in them. */
export function render(rows: readonly Row[], disk: Disk | undefined): string {
  const cells = rows.map((row) => [
    row.name,
    row.state,
    age(row.uptime_seconds),
    number(row.restarts),
    number(row.requests_per_second, 1),
    number(row.open),
    number(row.waiting),
    bound(row.p50_ms),
    bound(row.p99_ms),
    (row.last_error ?? "").slice(0, 80),
  ]);
  const widths = heads.map((head, at) =>
    Math.max(head.length, ...cells.map((line) => (line[at] ?? "").length)),
  );
  const lines = [heads, ...cells].map((line) =>
    line
      .map((cell, at) =>
        at < 2 || at === heads.length - 1 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0),
      )
      .join("  ")
      .trimEnd(),
  );
  const free = disk
    ? `\ndisk ${disk.path}: ${(disk.freeBytes / GiB).toFixed(1)} of ${(disk.totalBytes / GiB).toFixed(1)} GiB free`
    : "";
  return `${lines.join("\n")}${free}`;
}
