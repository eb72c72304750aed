/** What the child process with PostgreSQL does: the contract between it and `catalog.ts`. */
import { Bytes, closed, contract, internal, t } from "../../../runtime/contract/contract.ts";

export const postgresCatalog = contract("PostgreSQL of pgwire", {
  apply: internal({
    summary: "Makes schemas and tables anew; each text by itself, those that fail are named.",
    body: closed({ statements: t.Array(t.String()) }),
    reply: closed({ failed: t.Array(closed({ statement: t.String(), reason: t.String() })) }),
  }),
  ask: internal({
    reads: true,
    summary: "Answers messages of the protocol in a transaction that only reads.",
    body: closed({ messages: Bytes, settings: t.Array(t.Tuple([t.String(), t.String()])) }),
    reply: closed({
      bytes: Bytes,
      /** The rows of a table were looked for, of which there are none here. */
      readsRows: t.Boolean(),
    }),
  }),
});
export type PostgresCatalog = typeof postgresCatalog;
