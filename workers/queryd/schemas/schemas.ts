/** What queries look like, and endpoints for statements that are kept under a name: saved queries and views. */
import type { Static } from "@sinclair/typebox";
import { closed, del, get, nextPage, pageFields, post, put, t } from "../../../runtime/contract/contract.ts";
import { DefinitionName, definitionFields, SavedQuery, View } from "../../catalogd/contract.ts";

/** A query that runs, waits or has ended. */
export const Query = closed({
  query_id: t.String(),
  /** The statement's first 200 characters; literals are kept, so it is shown only to authenticated callers. */
  sql: t.String(),
  state: t.Union([
    t.Literal("queued"),
    t.Literal("running"),
    t.Literal("done"),
    t.Literal("failed"),
    t.Literal("interrupted"),
  ]),
  started_at: t.String({ format: "date-time" }),
  elapsed_ms: t.Number(),
  rows: t.Integer(),
});

export const keptStatements = {
  putQuery: put("/queries/:name", {
    resumable: "again",
    refusals: [408, 409, 412, 422, 429],
    summary:
      "Saves a statement under a name, as its next version; its parameters have types and defaults. It may read what any statement may.",
    headers: { "if-match": "Only where the latest version has one of these etags." },
    params: closed({ name: DefinitionName }),
    body: closed(definitionFields.query),
    reply: SavedQuery,
  }),
  savedQueries: get("/queries", {
    summary: "The saved queries by name.",
    query: closed(pageFields),
    reply: closed({ queries: t.Array(SavedQuery), ...nextPage }),
  }),
  dropQuery: del("/queries/:name", {
    summary: "Drops a saved query. The next one of its name has the next version.",
    refusals: [412],
    params: closed({ name: DefinitionName }),
    query: closed(definitionFields.condition),
    reply: closed({ name: DefinitionName }),
  }),
  putView: post("/catalog/views", {
    resumable: "again",
    refusals: [408, 409, 412, 422, 429],
    summary:
      "Makes a view, or its next version: a statement that is read like a dataset. It may read datasets and other views, and has no name that a dataset has.",
    headers: { "if-match": "Only where the latest version has one of these etags." },
    body: closed({ name: DefinitionName, ...definitionFields.view }),
    reply: View,
  }),
  views: get("/catalog/views", {
    summary: "The views by name, with the columns that they have now.",
    query: closed(pageFields),
    reply: closed({ views: t.Array(View), ...nextPage }),
  }),
  view: get("/catalog/views/:name", {
    summary: "A view with the columns that it has now; or one of its latest fifty versions, as it was made.",
    params: closed({ name: DefinitionName }),
    query: closed({ version: t.Optional(t.Integer({ minimum: 1 })) }),
    reply: View,
    etag: ({ version, schema_fingerprint: schema }: Static<typeof View>) =>
      schema === undefined ? String(version) : `${version}-${schema}`,
  }),
  dropView: del("/catalog/views/:name", {
    summary: "Drops a view. Views and queries that read it say so when they are read.",
    refusals: [412],
    params: closed({ name: DefinitionName }),
    query: closed(definitionFields.condition),
    reply: closed({ name: DefinitionName }),
  }),
};
