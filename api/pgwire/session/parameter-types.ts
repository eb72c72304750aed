/** The types of a statement's parameters before their values come: those that it says, and what PostgreSQL takes for the rest. */
import { type PostgresType, postgresType } from "../../../runtime/postgres/postgres.ts";
import { type Described, describeDatasets } from "../answers/answers.ts";
import { castOf } from "../parameters/parameters.ts";
import { withCasts, withMembers } from "../statements/statements.ts";
import type { Session } from "./session-state.ts";

/** What a parameter is taken for of which nothing says what it is: the first by which the statement has a meaning. */
const guesses = ["VARCHAR", "BIGINT", "INTERVAL"];

/** `known` are the types that the client named. Rejects as queryd refuses. */
export async function describeRows(
  { queryd, wire }: Pick<Session, "queryd" | "wire">,
  sql: string,
  known: readonly (PostgresType | undefined)[],
): Promise<{ oids: number[]; columns: Described["columns"] }> {
  const { sql: asked, lists } = withMembers(sql, (number) => known[number - 1] === undefined);
  const named = known.map((type) => type && castOf(type));
  const describe = (types: readonly (string | undefined)[]) =>
    describeDatasets(queryd, withCasts(asked, types).sql, wire.gone);
  const first = await describe(named);
  const typed = named.map((type, at) => type ?? first.parameters[String(at + 1)]);
  const oidsOf = (guess: string) =>
    known.map((type, at) => {
      const found = typed[at] ?? guess;
      return type?.oid ?? postgresType(lists.has(at + 1) ? `${found}[]` : found).oid;
    });
  if (!first.open) return { oids: oidsOf("VARCHAR"), columns: first.columns };
  const failures: unknown[] = [];
  for (const guess of guesses) {
    const found = await describe(typed.map((type) => type ?? guess)).catch((cause: unknown) => {
      failures.push(cause);
    });
    if (found) return { oids: oidsOf(guess), columns: found.columns };
  }
  throw failures[0];
}
