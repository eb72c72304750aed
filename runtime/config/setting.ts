/** What a setting may be: the kinds that settings.ts is written in, the units it counts in, the forms it expects. */
import { addressRanges, isAddressRange } from "../addresses/addresses.ts";

interface Common<T> {
  default: T;
  /** One line for lakehouse.toml; names the unit. */
  doc: string;
}
/** What each item of a list must be, and how to say so. */
interface ItemRule {
  fits?: (item: string) => boolean;
  expected?: string;
}
export type Setting =
  | (Common<string> & { kind: "text"; pattern?: RegExp; expected?: string; secret?: boolean })
  | (Common<string> & { kind: "choice"; choices: readonly string[] })
  | (Common<number> & { kind: "integer"; min: number; max: number })
  | (Common<boolean> & { kind: "flag" })
  | (Common<string[]> & { kind: "list"; secret?: boolean } & ItemRule)
  | (Common<Record<string, number>> & { kind: "sizes" })
  | (Common<Record<string, Record<string, unknown>>> & { kind: "tables" });

export const text = (
  value: string,
  doc: string,
  rule: { pattern?: RegExp; expected?: string; secret?: boolean } = {},
) => ({ kind: "text", default: value, doc, ...rule }) as const;
export const choice = <const C extends readonly string[]>(value: C[number], choices: C, doc: string) =>
  ({ kind: "choice", default: value, choices, doc }) as const;
export const integer = (value: number, range: readonly [min: number, max: number], doc: string) =>
  ({ kind: "integer", default: value, min: range[0], max: range[1], doc }) as const;
/** A time in milliseconds: the comment gets its unit, and then `more`. */
export const ms = (value: number, range: readonly [min: number, max: number], doc: string, more = "") =>
  integer(value, range, `${doc}, in milliseconds${more}`);
/** A size in bytes: the comment gets its unit, and then `more`. */
export const bytes = (value: number, range: readonly [min: number, max: number], doc: string, more = "") =>
  integer(value, range, `${doc}, in bytes${more}`);
export const flag = (value: boolean, doc: string) => ({ kind: "flag", default: value, doc }) as const;
export const list = (value: string[], doc: string, rule: { secret?: boolean } & ItemRule = {}) =>
  ({ kind: "list", default: value, doc, ...rule }) as const;
export const sizes = (value: Record<string, number>, doc: string) =>
  ({ kind: "sizes", default: value, doc }) as const;
export const tables = (value: Record<string, Record<string, unknown>>, doc: string) =>
  ({ kind: "tables", default: value, doc }) as const;

export const KiB = 1024;
export const MiB = 1024 * KiB;
export const GiB = 1024 * MiB;
export const second = 1000;
export const minute = 60 * second;

export const address = {
  pattern: /^(\[[0-9a-fA-F:.]+\]|[^\s:[\]]+):\d{1,5}$/,
  expected: "host:port, as 127.0.0.1:3110 or [::1]:3110",
};
/** What may stand behind `Bearer` (RFC 6750 §2.1). */
const tokenPattern = /^([A-Za-z0-9._~+/-]+=*)?$/;
export const token = {
  pattern: tokenPattern,
  fits: (item: string) => tokenPattern.test(item),
  expected: "letters, digits and - . _ ~ + /, with = only at the end",
};
export const addresses = { fits: isAddressRange, expected: addressRanges };
export const url = { pattern: /^(https?:\/\/\S+)?$/, expected: "an http:// or https:// URL, or nothing" };
export const memory = {
  pattern: /^\d+(\.\d+)?\s?(KB|MB|GB|TB|KiB|MiB|GiB|TiB)$/,
  expected: "a size with its unit, as 2GB",
};

/** The value of a setting of this kind. */
export type ValueOf<S> = S extends { kind: "choice"; choices: readonly (infer C)[] }
  ? C
  : S extends { kind: "text" }
    ? string
    : S extends { kind: "integer" }
      ? number
      : S extends { kind: "flag" }
        ? boolean
        : S extends { kind: "list" }
          ? readonly string[]
          : S extends { kind: "sizes" }
            ? Readonly<Record<string, number>>
            : S extends { kind: "tables" }
              ? Readonly<Record<string, Readonly<Record<string, unknown>>>>
              : never;

/** Whether a section is one setting itself, not a section of settings. */
export function isSetting(table: object): table is Setting {
  return "kind" in table && typeof table.kind === "string";
}
