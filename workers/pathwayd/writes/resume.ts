/** Writes with an Idempotency-Key whose outcome was unknown when the service was killed: the log shows which were done. */
import type { ReplyOf, VerbsOf } from "../../../runtime/contract/contract.ts";
import { type Idempotency, unlessFound } from "../../../runtime/idempotency/idempotency.ts";
import type { Pathwayd } from "../contract.ts";
import { type LogRecord, type TraceTable, traceOf } from "../traces/traces.ts";

export type Write = "add" | "addIdempotent" | "update" | "revise" | "retire" | "replay";
type Trace = ReplyOf<Pathwayd["endpoints"]["get"]>;

/** Called with each record once the table has it; what counts is the first line of an operation. */
export const operationsFound =
  (table: TraceTable, { found }: Pick<Idempotency, "found">) =>
  (record: LogRecord): void => {
    if (!("op" in record)) return;
    const head = table.find(record.uid)?.head;
    if (head) found(record.op, () => traceOf(head));
  };

/** The same verbs; a write that was done already is answered and not repeated. */
export function resuming(verbs: Pick<VerbsOf<Pathwayd>, Write>): Pick<VerbsOf<Pathwayd>, Write> {
  const same = (trace: Trace) => trace;
  return {
    add: unlessFound(verbs.add, same),
    // A call that returned an existing trace wrote no line: repeated, it returns it again.
    addIdempotent: unlessFound(verbs.addIdempotent, (trace: Trace) => ({ trace, created: true })),
    update: unlessFound(verbs.update, same),
    revise: unlessFound(verbs.revise, same),
    retire: unlessFound(verbs.retire, same),
    replay: unlessFound(verbs.replay, same),
  };
}
