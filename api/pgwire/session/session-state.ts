/** What a session keeps between messages. */
import type { Peer } from "../../../runtime/contract/contract.ts";
import type { Queryd } from "../../../workers/queryd/contract.ts";
import type { Catalog } from "../catalog/catalog.ts";
import type { Wire } from "../connection/connection.ts";
import type { backend } from "../protocol/protocol.ts";
import type { Statement } from "../statements/statements.ts";
import type { Portal } from "./portal.ts";
import type { Settings } from "./settings.ts";

/** A statement that Parse has named. */
export interface Prepared {
  sql: string;
  statement: Statement;
  /** The types of its parameters: as the client said, 0 where it did not; those found by Describe in their place. */
  oids: number[];
  /** The types of its columns, once they were described. */
  described?: readonly number[];
  /** Of DECLARE: the cursor's query, whose parameters are the statement's. */
  query?: Prepared;
}

export interface Session {
  wire: Wire;
  queryd: Peer<Queryd>;
  catalog: Catalog;
  settings: Settings;
  status: backend.TransactionStatus;
  statements: Map<string, Prepared>;
  portals: Map<string, Portal>;
  /** Logs a failure that nobody expected. */
  report: (cause: unknown) => void;
  /** What a cancellation aborts. */
  running: AbortController | undefined;
}
