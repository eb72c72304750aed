/** The table of `bun run status`. */

export interface Row {
  name: string;
  state: string;
  uptime_seconds?: number;
  /** Unknown for a service in another process than the gateway. */
  restarts?: number;
  requests_per_second?: number;
  open?: number;
  waiting?: number;
  /** Upper bounds: as fine as the buckets of the histogram. */
  p50_ms?: number;
  p99_ms?: number;
  /** The service's own JavaScript heap; what its process takes beside is in `processes`. */
  heap_bytes?: number;
  /** What it keeps under the data directory, when that is on this machine; storaged's is the buckets too. */
  disk_bytes?: number;
  last_error?: string;
}

export interface Process {
  pid: number;
  resident_bytes: number;
  services: string[];
}

export interface Disk {
  path: string;
  free_bytes: number;
  total_bytes: number;
}

/** What maintenance did since the start, by step. */
export interface Maintenance {
  enabled: boolean;
  running?: { step: string; name?: string };
  steps: Record<
    "compact" | "expire" | "sweep",
    { failed: number; count: number; bytes: number; last_error?: { name?: string; error: string } }
  >;
}

export interface Look {
  maintenance?: Maintenance;
  services: Row[];
  processes: Process[];
  disk?: Disk;
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

const sizes = ["B", "KiB", "MiB", "GiB", "TiB"];

function size(bytes: number | undefined): string {
  if (bytes === undefined) return "–";
  const power = Math.min(sizes.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  const value = bytes / 1024 ** power;
  return `${value < 10 && power > 0 ? value.toFixed(1) : Math.round(value)} ${sizes[power]}`;
}

interface Column {
  head: string;
  cell: (row: Row) => string;
  /** Columns with a higher one go first when the terminal is too narrow. */
  spare: number;
  left?: boolean;
}

const columns: readonly Column[] = [
  { head: "service", cell: ({ name }) => name, spare: 0, left: true },
  { head: "state", cell: ({ state }) => state, spare: 0, left: true },
  { head: "up", cell: (row) => age(row.uptime_seconds), spare: 5 },
  { head: "restarts", cell: (row) => number(row.restarts), spare: 4 },
  { head: "req/s", cell: (row) => number(row.requests_per_second, 1), spare: 1 },
  { head: "open", cell: (row) => number(row.open), spare: 3 },
  { head: "waiting", cell: (row) => number(row.waiting), spare: 1 },
  { head: "p50 ms", cell: (row) => bound(row.p50_ms), spare: 6 },
  { head: "p99 ms", cell: (row) => bound(row.p99_ms), spare: 2 },
  { head: "heap", cell: (row) => size(row.heap_bytes), spare: 8 },
  { head: "disk", cell: (row) => size(row.disk_bytes), spare: 7 },
];
const gap = "  ";

const widthsOf = (shown: readonly Column[], rows: readonly Row[]): number[] =>
  shown.map(({ head, cell }) => Math.max(head.length, ...rows.map((row) => cell(row).length)));

/** The columns that fit, each as wide as what is in it. */
function fitting(rows: readonly Row[], width: number): Column[] {
  let shown = [...columns];
  for (;;) {
    const taken = widthsOf(shown, rows).reduce((sum, each) => sum + each + gap.length, -gap.length);
    const most = Math.max(...shown.map(({ spare }) => spare));
    if (taken <= width || most === 0) return shown;
    shown = shown.filter(({ spare }) => spare !== most);
  }
}

const cut = (text: string, width: number): string =>
  text.length <= width ? text : `${text.slice(0, Math.max(1, width - 1))}…`;

/** A table no wider than `width`; below it what is wrong, the processes and the disk. */
export function render({ services, processes, disk, maintenance }: Look, width = 120): string {
  const shown = fitting(services, width);
  const widths = widthsOf(shown, services);
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, at) => (shown[at]?.left ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)))
      .join(gap)
      .trimEnd();
  const table = [shown.map(({ head }) => head), ...services.map((row) => shown.map(({ cell }) => cell(row)))];
  const errors = services
    .filter(({ last_error }) => last_error)
    .map(({ name, last_error }) => `${name}: ${last_error?.replaceAll("\n", " ")}`);
  const memory = processes.map(
    ({ pid, resident_bytes, services: names }) =>
      `process ${pid}: ${size(resident_bytes)} resident, ${names.length === services.length ? "all services" : names.join(", ")}`,
  );
  const free = disk ? [`disk ${disk.path}: ${size(disk.free_bytes)} of ${size(disk.total_bytes)} free`] : [];
  const upkeep = maintenance ? linesOf(maintenance) : [];
  const parts = [table.map(line), errors, [...memory, ...free, ...upkeep]].filter(
    (lines) => lines.length > 0,
  );
  return parts.map((lines) => lines.map((text) => cut(text, width)).join("\n")).join("\n\n");
}

function linesOf({ enabled, running, steps }: Maintenance): string[] {
  const { compact, expire, sweep } = steps;
  const now = running ? `; now: ${running.step}${running.name === undefined ? "" : ` ${running.name}`}` : "";
  const did = [
    `${compact.count} objects merged`,
    `${expire.count} versions (${size(expire.bytes)}) and ${sweep.count} orphans (${size(sweep.bytes)}) removed`,
  ];
  const failed = Object.entries(steps).flatMap(([step, { failed, last_error: last }]) => {
    const of = last?.name === undefined ? "" : ` of ${last.name}`;
    return last ? [`maintenance failed ${failed} times: ${step}${of}: ${last.error}`] : [];
  });
  return [`maintenance${enabled ? "" : " (no schedule)"}: ${did.join(", ")}${now}`, ...failed];
}
