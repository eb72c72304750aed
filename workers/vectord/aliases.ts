/**
 * Aliases: other names of indexes, that can be switched. They are one small object in the primary bucket, replaced as
 * a whole on the condition that nobody else did: a switch is there for every caller or for none.
 */
import type { Static } from "@sinclair/typebox";
import { closed, type Peer, t } from "../../runtime/contract.ts";
import { fail, ServiceError } from "../../runtime/errors.ts";
import { check } from "../../runtime/validate.ts";
import type { Storaged } from "../storaged/contract.ts";
import { Alias } from "./contract.ts";

export type AliasEntry = Static<typeof Alias>;

export interface Aliases {
  list: () => readonly AliasEntry[];
  /** The index the alias points to. */
  target: (alias: string) => string | undefined;
  /** Aliases of the index, by name. */
  of: (index: string) => string[];
  /** Changes one alias durably: `change` gets what there is and returns what is to be, undefined for none. */
  change: (
    alias: string,
    change: (before: AliasEntry | undefined) => AliasEntry | undefined,
  ) => Promise<AliasEntry | undefined>;
}

/** Where the aliases are. No index can be named so. */
export const aliasesKey = "vectors/_aliases.json";

const Stored = closed({
  format: t.Literal("lakehouse-vector-aliases"),
  version: t.Literal(1),
  aliases: t.Array(Alias),
});

type Verbs = Pick<Peer<Storaged>["verbs"], "read" | "write">;

/** Reads the aliases. Throws `corrupt` when they cannot be read, and `unavailable` when storage cannot. */
export async function openAliases(storaged: Verbs): Promise<Aliases> {
  let { entries, etag } = await load(storaged);
  let last: Promise<unknown> = Promise.resolve();

  const apply: Aliases["change"] = async (alias, change) => {
    const after = change(entries.get(alias));
    if (after !== undefined && after === entries.get(alias)) return after;
    const next = new Map(entries);
    if (after) next.set(alias, after);
    else next.delete(alias);
    try {
      etag = await store(storaged, next, etag);
    } catch (error) {
      // What was written may be there or not: the next change begins with what there is.
      ({ entries, etag } = await load(storaged).catch(() => ({ entries, etag })));
      throw error;
    }
    entries = next;
    return after;
  };

  return {
    list: () => [...entries.values()].sort((a, b) => (a.alias < b.alias ? -1 : 1)),
    target: (alias) => entries.get(alias)?.index,
    of: (index) =>
      [...entries.values()]
        .filter((entry) => entry.index === index)
        .map(({ alias }) => alias)
        .sort(),
    change: (alias, change) => {
      const turn = last.then(() => apply(alias, change));
      last = turn.catch(() => undefined);
      return turn;
    },
  };
}

interface Loaded {
  entries: ReadonlyMap<string, AliasEntry>;
  etag: string | undefined;
}

async function load(storaged: Verbs): Promise<Loaded> {
  try {
    const { bytes, info } = await storaged.read({ key: aliasesKey });
    const { aliases } = parse(bytes);
    return { entries: new Map(aliases.map((entry) => [entry.alias, entry])), etag: info.etag };
  } catch (error) {
    if (error instanceof ServiceError && error.type === "not_found")
      return { entries: new Map(), etag: undefined };
    throw error;
  }
}

function parse(bytes: Uint8Array): Static<typeof Stored> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
    return check(Stored, value, aliasesKey);
  } catch (cause) {
    const { version } = (value ?? {}) as { version?: unknown };
    const newer = typeof version === "number" && version > 1;
    const why = newer ? `has the format version ${version}, written by a newer Lakehouse` : "cannot be read";
    throw fail(
      "corrupt",
      `${aliasesKey} ${why}: restore it from a backup, or delete it to begin without aliases`,
      {
        cause,
      },
    );
  }
}

async function store(
  storaged: Verbs,
  entries: ReadonlyMap<string, AliasEntry>,
  etag: string | undefined,
): Promise<string> {
  const content = { format: "lakehouse-vector-aliases", version: 1, aliases: [...entries.values()] };
  const condition = etag === undefined ? ({ if_none_match: "*" } as const) : { if_match: etag };
  const bytes = new TextEncoder().encode(JSON.stringify(content));
  try {
    const info = await storaged.write({ key: aliasesKey, bytes, ...condition });
    return info.etag;
  } catch (cause) {
    if (!(cause instanceof ServiceError) || cause.type !== "precondition_failed") throw cause;
    throw fail("conflict", "the aliases were changed by someone else meanwhile; ask again", { cause });
  }
}
