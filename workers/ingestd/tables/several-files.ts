/** Several files as one table: their rows one after the other, their columns by name. */
import { fail, ServiceError, toWire } from "../../../runtime/errors/errors.ts";
import { isSameType } from "../../../runtime/sql/sql.ts";
import type { Session } from "../engine/engine.ts";
import type { Column, Reading, Stored, Table } from "./format.ts";
import type { Rejects } from "./rejects.ts";
import { checkTypes, textColumn } from "./text-columns.ts";

export interface NamedFile {
  /** As the client calls it. */
  file: string;
  stored: Stored;
}

interface Rules {
  /** Columns that some files lack are NULL there; else all must have the same. */
  byName: boolean;
  reading: Reading;
}

interface NamedTable {
  file: string;
  table: Table;
}

/** Files that an error names; its details have all. */
const namedMax = 5;

/** One error for all files that cannot be loaded. */
export function refusedFiles(
  failures: readonly { file: string; cause: unknown }[],
  total: number,
): ServiceError {
  const [only] = failures;
  if (total === 1 && only?.cause instanceof ServiceError) return only.cause;
  const failed = failures.map(({ file, cause }) => {
    const { type, message, details } = toWire(cause);
    return { file, type, message, ...(details !== undefined && { details }) };
  });
  const some = failed
    .slice(0, namedMax)
    .map(({ file, message }) => (message.startsWith(`${file}: `) ? message : `${file}: ${message}`));
  const more = failed.length > namedMax ? ` and ${failed.length - namedMax} more` : "";
  const types = new Set(failed.map(({ type }) => type));
  return fail(
    types.size === 1 && types.has("rejected_rows") ? "rejected_rows" : "unprocessable",
    `${failed.length} of ${total} files cannot be loaded: ${some.join("; ")}${more}; nothing of any file was registered, as one request is one version`,
    { details: { failed } },
  );
}

/** What a file itself does wrong; all else ends the request. */
const isOfFile = (cause: unknown): boolean =>
  cause instanceof ServiceError &&
  ["unprocessable", "unsupported_media_type", "invalid_field", "rejected_rows"].includes(cause.type);

/** Ways to read the files as one: fast where each can be, and exactly. */
export function uniteFiles(files: readonly NamedFile[], rules: Rules): Stored {
  const ways = Math.max(...files.map(({ stored }) => stored.tables.length));
  const open = (way: number) => async (session: Session) => {
    const tables: NamedTable[] = [];
    await gather(files, async ({ file, stored }) => {
      const last = stored.tables.length - 1;
      const table =
        (await stored.tables[Math.min(way, last)]?.(session)) ?? (await stored.tables[last]?.(session));
      if (table) tables.push({ file, table });
    });
    return unite(tables, rules);
  };
  return { tables: Array.from({ length: ways }, (_, way) => open(way)) };
}

/** Works on each; where some fail by their own fault, the error names all of them. */
async function gather<T extends { file: string }>(
  all: readonly T[],
  work: (each: T) => Promise<void>,
): Promise<void> {
  const failures: { file: string; cause: unknown }[] = [];
  for (const each of all)
    try {
      await work(each);
    } catch (cause) {
      if (!isOfFile(cause)) throw cause;
      failures.push({ file: each.file, cause });
    }
  if (failures.length > 0) throw refusedFiles(failures, all.length);
}

/** Of each file's source positions its share of the numbers that are exact. */
const bytesApart = 2 ** 44;

function unite(files: readonly NamedTable[], rules: Rules): Table {
  const names = columnNames(files, rules);
  checkTypes(names, { ...rules.reading, isOfSeveral: undefined as never });
  const columns = names.map((name, at) => unitedColumn(name, `u${at}`, files, rules.reading));
  const arePlaced = files.every(({ table }) => table.positions !== undefined);
  const project = ({ table: { columns: own, positions } }: NamedTable, at: number, relation: string) => {
    const cells = columns.map(({ name, textOf, type }, index) => {
      const column = own.find((each) => each.name === name);
      return `${column ? textOf(column) : `NULL::${type}`} AS u${index}`;
    });
    const place =
      arePlaced && positions
        ? [`${positions.line} AS line_`, `${positions.byte} + ${at * bytesApart} AS byte_`]
        : [];
    return `(SELECT ${[...place, ...cells].join(", ")} FROM ${relation})`;
  };
  const together = (of: (table: Table) => string) =>
    `(${files.map((each, at) => `FROM ${project(each, at, of(each.table))}`).join(" UNION ALL ")})`;
  const runs = files.flatMap((each, at) =>
    each.table.runs.map((run) => ({ ...run, relation: project(each, at, run.relation) })),
  );
  const filled = runs.filter(({ rows }) => rows > 0);
  const [explaining] = files.flatMap(({ table }) => table.explain ?? []);
  const lineOf = files.every(({ table }) => table.lineOf) ? async () => undefined : undefined;
  return {
    relation: together(({ relation }) => relation),
    sample: together(({ sample }) => sample),
    columns: columns.map(({ column }) => column),
    rowsIn: files.reduce((sum, { table }) => sum + table.rowsIn, 0),
    rejects: unitedRejects(files),
    runs: filled.length > 0 ? filled : runs.slice(0, 1),
    speculative: false,
    mayLack: files.some(({ table }) => table.mayLack),
    ...(explaining && { explain: explaining }),
    ...(lineOf && { lineOf }),
    ...(arePlaced && { positions: { line: "line_", byte: "byte_", textAt: (byte) => textAt(files, byte) } }),
    warnings: files.flatMap(({ file, table }) => table.warnings.map((warning) => `${file}: ${warning}`)),
  };
}

const textAt = async (files: readonly NamedTable[], byte: number): Promise<string> => {
  const at = Math.floor(byte / bytesApart);
  return (await files[at]?.table.positions?.textAt(byte - at * bytesApart)) ?? "";
};

/** In the order of the first file, then as others bring them. Throws where files differ and may not. */
function columnNames(files: readonly NamedTable[], { byName }: Rules): string[] {
  const [first] = files;
  const names = new Set(files.flatMap(({ table }) => table.columns.map(({ name }) => name)));
  if (byName || !first) return [...names];
  for (const { file, table } of files) {
    const own = new Set(table.columns.map(({ name }) => name));
    const expected = first.table.columns.map(({ name }) => name);
    const lacks = expected.filter((name) => !own.has(name));
    const has = [...own].filter((name) => !expected.includes(name));
    if (lacks.length + has.length === 0) continue;
    const parts = [
      ...(lacks.length > 0 ? [`lacks ${few(lacks)}`] : []),
      ...(has.length > 0 ? [`has ${few(has)}`] : []),
    ];
    throw fail(
      "unprocessable",
      `the files have different columns: ${file} ${parts.join(" and ")}, beside ${first.file}; send union_by_name=true, by which what a file lacks is NULL; nothing was registered`,
    );
  }
  return [...names];
}

const few = (names: readonly string[]): string =>
  names
    .slice(0, 10)
    .map((name) => `'${name}'`)
    .join(", ") + (names.length > 10 ? ", …" : "");

/** Texts are one column of texts; values of one type are values of it. */
function unitedColumn(name: string, cell: string, files: readonly NamedTable[], reading: Reading) {
  const own = files.flatMap(({ file, table }) => {
    const column = table.columns.find((each) => each.name === name);
    return column ? [{ file, column }] : [];
  });
  const [first] = own;
  if (
    own.every(
      ({ column }) => column.notation !== undefined && column.among.length + (column.forced ? 1 : 0) > 0,
    )
  )
    return {
      name,
      type: "VARCHAR",
      textOf: (column: Column) => column.cell,
      column: textColumn(name, cell, reading),
    };
  const type = first?.column.type ?? "VARCHAR";
  const other = own.find(({ column }) => !isSameType(column.type, type));
  if (other)
    throw fail(
      "unprocessable",
      `the files have different types: '${name}' is ${type} in ${first?.file} and ${other.column.type} in ${other.file}; nothing was registered`,
    );
  const as = (wanted: string) => (isSameType(wanted, type) ? cell : undefined);
  return {
    ...{ name, type, textOf: (column: Column) => column.as(type, 0) ?? column.cell },
    column: { name, cell, among: [], type, forced: false, as },
  };
}

function unitedRejects(files: readonly NamedTable[]): Rejects {
  const all = files.map(({ file, table }) => ({ file, rejects: table.rejects }));
  return {
    allowed: all.some(({ rejects }) => rejects.allowed),
    count: () => all.reduce((sum, { rejects }) => sum + rejects.count(), 0),
    add: async (reject) => {
      const at = Math.floor(reject.byte / bytesApart);
      await all[at]?.rejects.add({ ...reject, byte: reject.byte - at * bytesApart });
    },
    relation: async () => {
      const relations: string[] = [];
      await gather(all, async ({ rejects }) => {
        const relation = await rejects.relation();
        if (relation !== undefined) relations.push(`FROM ${relation}`);
      });
      return relations.length === 0 ? undefined : `(${relations.join(" UNION ALL ")})`;
    },
    digest: () =>
      new Bun.CryptoHasher("sha256").update(all.map(({ rejects }) => rejects.digest()).join()).digest("hex"),
  };
}
