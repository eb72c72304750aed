/** The verbs of aliases. */
import type { VerbsOf } from "../../../runtime/contract/contract.ts";
import { fail, type ServiceError } from "../../../runtime/errors/errors.ts";
import type { Vectord } from "../contract.ts";
import { type AliasEntry, type Indexes, type Names, unknownIndex } from "../indexes/indexes.ts";

type AliasVerbs = Pick<VerbsOf<Vectord>, "aliases" | "setAlias" | "rollbackAlias" | "dropAlias">;

export function aliasVerbs(indexes: Indexes, names: Names): AliasVerbs {
  const { aliases } = names;
  const checkTarget = (index: string) => {
    if (aliases().target(index) !== undefined && !indexes.has(index))
      throw fail("conflict", `'${index}' is an alias itself; give the index it points to`);
    if (!indexes.has(index)) throw unknownIndex(index, indexes.names());
  };
  return {
    aliases: async () => ({ aliases: [...aliases().list()] }),
    setAlias: async ({ name: alias, index }) =>
      there(
        await aliases().change(alias, (before) => {
          if (indexes.has(alias))
            throw fail("conflict", `there is an index named '${alias}'; an alias needs a name of its own`);
          checkTarget(index);
          if (before?.index === index) return before;
          return { alias, index, ...(before && { previous: before.index }) };
        }),
        alias,
      ),
    rollbackAlias: async ({ name: alias }) =>
      there(await aliases().change(alias, (before) => rolledBack(before, alias, indexes)), alias),
    dropAlias: async ({ name: alias }) => {
      await aliases().change(alias, (before) => {
        if (before) return undefined;
        throw unknownAlias(alias);
      });
      return { dropped: true };
    },
  };
}

function rolledBack(before: AliasEntry | undefined, alias: string, indexes: Indexes): AliasEntry {
  if (!before) throw unknownAlias(alias);
  const { index, previous } = before;
  if (previous === undefined)
    throw fail(
      "conflict",
      `alias '${alias}' has pointed to '${index}' alone: there is nothing to go back to`,
    );
  if (!indexes.has(previous))
    throw fail("conflict", `alias '${alias}' cannot go back to '${previous}': that index is gone`);
  return { alias, index: previous, previous: index };
}

const there = (entry: AliasEntry | undefined, alias: string): AliasEntry => {
  if (entry) return entry;
  throw unknownAlias(alias);
};

const unknownAlias = (alias: string): ServiceError => fail("not_found", `there is no alias named '${alias}'`);
