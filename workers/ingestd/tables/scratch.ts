/** A scratch directory for the files of one ingest, removed when the ingest ends, however it ends. */
import { mkdir } from "node:fs/promises";
import { discard } from "../../../runtime/durable/durable.ts";

/** Where files are kept while a file is read. `atEnd` registers what closes a file that a failure leaves open. */
export interface Scratch {
  directory: string;
  atEnd: (close: () => Promise<void>) => void;
}

export interface OwnScratch extends Scratch {
  /** Makes the directory. */
  enter: () => Promise<void>;
  /** Closes what is open and removes everything. */
  leave: () => Promise<void>;
}

export function createScratch(directory: string): OwnScratch {
  const closers: (() => Promise<void>)[] = [];
  return {
    directory,
    atEnd: (close) => void closers.push(close),
    enter: async () => {
      await mkdir(directory, { recursive: true });
    },
    leave: async () => {
      await Promise.allSettled(closers.map((close) => close()));
      await discard(directory);
    },
  };
}
