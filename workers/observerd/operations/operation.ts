/** Operations, as the rest of observerd records and reads them. */
import type { InputOf } from "../../../runtime/contract/contract.ts";
import type { Observerd, Operation } from "../contract.ts";

export type EventInput = InputOf<Observerd["endpoints"]["event"]>;

export interface Operations {
  /** `id` is that of the first, where it has one already. Resolves when all are in the log; they are in the ring, the statistics and the clusters then. In order. */
  record: (events: readonly EventInput[], id?: string) => Promise<Operation[]>;
  /** The operations in the ring, oldest first. */
  recent: () => readonly Operation[];
  /** All operations of the log that began in this time, oldest first as recorded; reads the disk. */
  recorded: (span: { since?: string | undefined; until?: string | undefined }) => AsyncIterable<Operation>;
  /** Called with each operation after it was recorded. */
  onRecorded: (listener: (operation: Operation) => void) => void;
}
