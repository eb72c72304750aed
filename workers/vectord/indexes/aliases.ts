/**
 * Aliases: other names of indexes, that can be switched. They are one small object in the primary bucket, replaced as
 * a whole on the condition that nobody else did: a switch is there for every caller or for none.
 */
import type { Static } from "@sinclair/typebox";
import { Mutex } from "async-mutex";
import { check, closed, type Peer, t } from "../../../runtime/contract/contract.ts";
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import type { Marks } from "../../../runtime/marks/marks.ts";
import type { Storaged } from "../../storaged/contract.ts";
import { Alias } from "../schemas/schemas.ts";

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

/** Of the object as it was last written, and of one that may have been: hashes of its bytes. */
interface AliasMark {
  written?: string;
  announced?: string;
}

/** Where the aliases are, and what is known of them apart from that. */
export interface AliasStore {
  storaged: Verbs;
  marks: Pick<Marks, "get" | "set" | "settle">;
}

const markName = "aliases";
const hashOf = (bytes: Uint8Array): string => new Bun.CryptoHasher("sha256").update(bytes).digest("hex");

/**
 * Reads the aliases. Throws `corrupt` when they cannot be read, or are not those that were acknowledged last unless they
 * are `adopted`, and `unavailable` when storage cannot.
 */
export async function openAliases(store: AliasStore, adopted = false): Promise<Aliases> {
  let { entries, etag, hash } = await load(store, adopted);
  if (hash !== undefined) store.marks.set(markName, { written: hash });
  else if (adopted) store.marks.set(markName, {});
  const mutex = new Mutex();

  const apply: Aliases["change"] = async (alias, change) => {
    const after = change(entries.get(alias));
    if (after !== undefined && after === entries.get(alias)) return after;
    const next = new Map(entries);
    if (after) next.set(alias, after);
    else next.delete(alias);
    try {
      etag = await write(store, next, etag);
    } catch (error) {
      // What was written may be there or not: the next change begins with what there is, if it is one of the two.
      ({ entries, etag, hash } = await load(store).catch((cause: unknown) => {
        if (cause instanceof ServiceError && cause.type === "corrupt") throw cause;
        return { entries, etag, hash };
      }));
      if (hash !== undefined) store.marks.set(markName, { written: hash });
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
    change: (alias, change) => mutex.runExclusive(() => apply(alias, change)),
  };
}

/** The aliases as they are stored, for who only looks. Throws as `openAliases` does. */
export const storedAliases = async (store: AliasStore): Promise<AliasEntry[]> => [
  ...(await load(store)).entries.values(),
];

interface Loaded {
  entries: ReadonlyMap<string, AliasEntry>;
  etag: string | undefined;
  hash: string | undefined;
}

async function load({ storaged, marks }: AliasStore, adopted = false): Promise<Loaded> {
  const read = await storaged.read({ key: aliasesKey }).catch((error: unknown) => {
    if (error instanceof ServiceError && error.type === "not_found") return undefined;
    throw error;
  });
  const hash = read && hashOf(read.bytes);
  const aliases = read ? parse(read.bytes).aliases : [];
  const { written, announced } = (marks.get(markName) ?? {}) as AliasMark;
  const isKnown = hash === written || (hash !== undefined && hash === announced);
  if (written !== undefined && !isKnown && !adopted)
    throw lost(read ? "is not what was written last: it is an earlier copy, or another's" : "is missing");
  return { entries: new Map(aliases.map((entry) => [entry.alias, entry])), etag: read?.info.etag, hash };
}

const lost = (problem: string): ServiceError =>
  fail(
    "corrupt",
    `'${aliasesKey}' ${problem}; put it back from a backup and restart vectord, or take what is there: bun run supervisor --adopt=vectord/_aliases.json`,
  );

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

async function write(
  { storaged, marks }: AliasStore,
  entries: ReadonlyMap<string, AliasEntry>,
  etag: string | undefined,
): Promise<string> {
  const content = { format: "lakehouse-vector-aliases", version: 1, aliases: [...entries.values()] };
  const condition = etag === undefined ? ({ if_none_match: "*" } as const) : { if_match: etag };
  const bytes = new TextEncoder().encode(JSON.stringify(content));
  const hash = hashOf(bytes);
  const before = (marks.get(markName) ?? {}) as AliasMark;
  if (before.written !== undefined) {
    marks.set(markName, { written: before.written, announced: hash });
    await marks.settle();
  }
  try {
    const info = await storaged.write({ key: aliasesKey, bytes, ...condition });
    marks.set(markName, { written: hash });
    return info.etag;
  } catch (cause) {
    if (!(cause instanceof ServiceError) || cause.type !== "precondition_failed") throw cause;
    throw fail("conflict", "the aliases were changed by someone else meanwhile; ask again", { cause });
  }
}
