/** The settings of a session: those that clients send, and those that say how values are written, which are fixed. */
import { fold } from "../../../runtime/sql/sql.ts";
import { sqlFailure } from "../protocol/protocol.ts";

interface Known {
  value: string;
  /** What every client is told at the start, and when it changes. */
  isReported?: true;
  /** Values that mean what is done here; any other stays without effect, and the client is told so. */
  fixed?: RegExp;
}

/** By their names in small letters. */
const known: Readonly<Record<string, Known>> = {
  application_name: { value: "", isReported: true },
  backslash_quote: { value: "safe_encoding" },
  bytea_output: { value: "hex", fixed: /^hex$/i },
  client_encoding: { value: "UTF8", isReported: true },
  client_min_messages: { value: "notice" },
  datestyle: { value: "ISO, MDY", isReported: true, fixed: /^iso\b/i },
  default_transaction_isolation: { value: "repeatable read" },
  default_transaction_read_only: { value: "on", isReported: true, fixed: /^(on|true|1|yes)$/i },
  extra_float_digits: { value: "1" },
  idle_in_transaction_session_timeout: { value: "0" },
  in_hot_standby: { value: "off", isReported: true },
  integer_datetimes: { value: "on", isReported: true, fixed: /^on$/i },
  intervalstyle: { value: "postgres", isReported: true, fixed: /^postgres$/i },
  is_superuser: { value: "off", isReported: true },
  jit: { value: "off" },
  lock_timeout: { value: "0" },
  max_identifier_length: { value: "63" },
  role: { value: "none" },
  row_security: { value: "on" },
  search_path: { value: "main", isReported: true },
  server_encoding: { value: "UTF8", isReported: true, fixed: /^utf-?8$/i },
  server_version: { value: "18.3", isReported: true },
  server_version_num: { value: "180003" },
  session_authorization: { value: "lakehouse", isReported: true },
  standard_conforming_strings: { value: "on", isReported: true, fixed: /^(on|true|1|yes)$/i },
  statement_timeout: { value: "0" },
  synchronous_commit: { value: "on" },
  timezone: { value: "UTC", isReported: true, fixed: /^'?(utc|gmt|etc\/(utc|gmt)|z|\+?0+(:0+)?)'?$/i },
  transaction_isolation: { value: "repeatable read" },
  transaction_read_only: { value: "on", fixed: /^(on|true|1|yes)$/i },
};

/** Names as PostgreSQL reports them, where they are not in small letters. */
const reportedNames: Readonly<Record<string, string>> = {
  datestyle: "DateStyle",
  intervalstyle: "IntervalStyle",
  timezone: "TimeZone",
};

/** Settings of a client's own, such as `myapp.user`, and the bytes of a value. */
const ownMax = 100;
const valueCharactersMax = 10_000;

export interface Settings {
  get: (name: string) => string;
  /** What the client is told: a reported value that changed, or why the value has no effect. Throws `42704`, `22023`. */
  set: (name: string, value: string) => { reported?: [name: string, value: string]; warning?: string };
  /** Back to what the session began with; all where no name is given. */
  reset: (name?: string) => [name: string, value: string][];
  reported: () => [name: string, value: string][];
  /** By name, those that differ from PostgreSQL's own included. */
  all: () => ReadonlyMap<string, string>;
  /** The deadline of statements in milliseconds, undefined where there is none. */
  timeoutMs: () => number | undefined;
}

export function createSettings(): Settings {
  const own = new Map<string, string>();
  const get = (name: string): string => {
    const value = own.get(fold(name)) ?? known[fold(name)]?.value;
    if (value === undefined) throw unknown(name);
    return value;
  };
  const shown = (name: string): [string, string] => [reportedNames[name] ?? name, get(name)];
  return {
    get,
    set: (given, value) => {
      const name = fold(given);
      const setting = known[name];
      if (!setting && !name.includes(".")) throw unknown(given);
      if (value.length > valueCharactersMax || (!own.has(name) && own.size >= ownMax))
        throw sqlFailure("53400", `a session keeps ${ownMax} settings of ${valueCharactersMax} characters`);
      if (name === "client_encoding") return encoding(value);
      if (name === "statement_timeout") own.set(name, String(milliseconds(value)));
      else if (setting?.fixed && !setting.fixed.test(value))
        return { warning: `${reportedNames[name] ?? name} stays ${setting.value}: ${value} has no effect` };
      else if (!setting?.fixed) own.set(name, value);
      return setting?.isReported ? { reported: shown(name) } : {};
    },
    reset: (given) => {
      const names = given === undefined ? [...own.keys()] : [fold(given)];
      if (given !== undefined) get(given);
      for (const name of names) own.delete(name);
      return names.filter((name) => known[name]?.isReported).map(shown);
    },
    reported: () =>
      Object.entries(known)
        .filter(([, { isReported }]) => isReported)
        .map(([name]) => shown(name)),
    all: () => new Map([...Object.keys(known), ...own.keys()].map(shown)),
    timeoutMs: () => Number(own.get("statement_timeout") ?? 0) || undefined,
  };
}

const unknown = (name: string) =>
  sqlFailure("42704", `unrecognized configuration parameter "${name.slice(0, 100)}"`);

function encoding(value: string): { warning?: string } {
  if (/^('?(utf-?8|unicode|sql_ascii)'?|auto|default)$/i.test(value)) return {};
  throw sqlFailure("22023", `client_encoding is UTF8 alone, got ${value.slice(0, 100)}`);
}

const units: Readonly<Record<string, number>> = { "": 1, ms: 1, s: 1000, min: 60_000, h: 3_600_000 };

/** `5000`, `5s`, `1min`; 0 for none. */
function milliseconds(value: string): number {
  const [, count, unit = ""] = /^\s*(\d{1,9})\s*(ms|s|min|h|)\s*$/.exec(value) ?? [];
  if (count !== undefined) return Number(count) * (units[unit] as number);
  throw sqlFailure("22023", `statement_timeout: expected a time as 5000, 5s or 1min, got ${value}`);
}
