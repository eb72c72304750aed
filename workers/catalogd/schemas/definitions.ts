/** Statements that are kept under a name: saved queries, which are asked by it, and views, which are read like datasets. */
import type { Static } from "@sinclair/typebox";
import { closed, internal, t } from "../../../runtime/contract/contract.ts";

/** As of a dataset: what SQL and a URL take alike. */
export const DefinitionName = t.String({
  pattern: "^[A-Za-z_][A-Za-z0-9_]*$",
  maxLength: 128,
  description: "Letters, digits and _.",
});

export const Parameter = closed({
  type: t.Union(
    [
      t.Literal("text"),
      t.Literal("integer"),
      t.Literal("number"),
      t.Literal("boolean"),
      t.Literal("date"),
      t.Literal("timestamp"),
    ],
    { description: "What its value must be, and what it is in the statement." },
  ),
  default: t.Optional(
    t.Union([t.String({ maxLength: 8192 }), t.Number(), t.Boolean()], {
      description: "The value where none is given; without a default one must be given.",
    }),
  ),
  description: t.Optional(t.String({ maxLength: 1000 })),
});

/** What callers say of either kind. */
const statement = {
  sql: t.String({ minLength: 1, maxLength: 100_000 }),
  description: t.Optional(t.String({ maxLength: 4000 })),
};
const parameters = {
  parameters: t.Optional(
    t.Record(t.String({ pattern: "^[a-z_][a-z0-9_]{0,63}$" }), Parameter, {
      description: "The named parameters of the statement, each as `$name` there.",
    }),
  ),
};

/** Columns as the statement had them when it was kept. */
const columns = { columns: t.Array(closed({ name: t.String(), type: t.String() })) };
const version = {
  version: t.Integer({ minimum: 1 }),
  created_at: t.String({ format: "date-time" }),
};

export const SavedQuery = closed({
  name: DefinitionName,
  ...version,
  ...statement,
  ...parameters,
  ...columns,
});
export const View = closed({
  name: DefinitionName,
  ...version,
  ...statement,
  columns: t.Array(closed({ name: t.String(), type: t.String() }), {
    description:
      "As they are now; of a version that was asked for, and where `problem` is given, as they were when it was made.",
  }),
  reads: t.Optional(
    t.Array(t.String(), { description: "The datasets and views that it reads, also through other views." }),
  ),
  problem: t.Optional(t.String({ description: "Why it cannot be read now." })),
  schema_fingerprint: t.Optional(t.String({ description: "Another one where columns or problem change." })),
});

/** The view that was taken for a dataset, where that is why a verb of datasets failed, whoever tells of the failure. */
export function viewIn(failure: unknown): string | undefined {
  const { type, details } = Object(failure) as { type?: unknown; details?: unknown };
  const { view } = Object(type === "not_found" ? details : undefined) as { view?: unknown };
  return typeof view === "string" ? view : undefined;
}

const kind = { kind: t.Union([t.Literal("query"), t.Literal("view")]) };
export const Defined = closed({ ...kind, ...SavedQuery.properties });
export type Defined = Static<typeof Defined>;

/** The condition under which one is replaced or dropped. */
const ifVersion = {
  if_match: t.Optional(
    t.String({
      maxLength: 4096,
      description:
        'The ETag of the latest version, as "3", or * for any: with another one nothing is changed (412). The header If-Match says the same.',
    }),
  ),
};
/** What whoever keeps a statement says of it: queryd checks it, and has it kept here. */
export const definitionFields = {
  query: { ...statement, ...parameters, ...ifVersion },
  view: { ...statement, ...ifVersion },
  condition: ifVersion,
};
const Define = closed({
  ...kind,
  name: DefinitionName,
  ...statement,
  ...parameters,
  ...columns,
  ...ifVersion,
});
const Named = closed({ ...kind, name: DefinitionName });
const Undefine = closed({ ...Named.properties, ...ifVersion });
const Which = closed({ ...Named.properties, version: t.Optional(version.version) });
const Kind = closed(kind);

export type Define = Static<typeof Define>;

/** As queryd calls them. */
export const definitionVerbs = {
  define: internal({
    summary:
      "Keeps a saved query or a view as its next version, or answers with the latest where that is the same.",
    body: Define,
    reply: Defined,
  }),
  undefine: internal({
    summary: "Drops a saved query or a view: its number stays taken.",
    body: Undefine,
    reply: closed({ name: DefinitionName }),
  }),
  definition: internal({
    reads: true,
    summary: "A saved query or a view: the latest version, or one of the latest fifty.",
    body: Which,
    reply: Defined,
  }),
  definitions: internal({
    reads: true,
    summary: "All saved queries or views.",
    body: Kind,
    reply: closed({ definitions: t.Array(Defined) }),
  }),
};
