/** The reviews, durable: a log of their own, read from the disk when training sets are made. */
import { createReadStream } from "node:fs";
import { join } from "node:path";
import type { Static } from "@sinclair/typebox";
import { openLineLog } from "../../runtime/line-log.ts";
import type { Review as ReviewSchema } from "./contract.ts";

export type Review = Static<typeof ReviewSchema>;

/** A review with what was judged: a training set needs both. */
export interface Judged {
  review: Review;
  task: string;
  output: string;
  trace_uid?: string;
}

export interface Reviews {
  /** Resolves when it is on stable storage. */
  add: (judged: Judged) => Promise<void>;
  /** All reviews that were there when this was called, oldest first; holds one at a time. */
  all: () => AsyncIterable<Judged>;
  /** What opening found damaged, for `/readyz`; empty when all is well. */
  problems: () => string[];
  close: () => Promise<void>;
}

/** Opens `reviews.log` of the directory. Throws `corrupt` when a newer program wrote it. */
export async function openReviews({ directory }: { directory: string }): Promise<Reviews> {
  const path = join(directory, "reviews.log");
  const log = await openLineLog<Judged>({
    path,
    format: "lakehouse.reviews",
    version: 1,
    // Nothing is kept in memory; what is no review counts as damaged.
    replay: ({ review, task, output }) => {
      if (typeof review?.id !== "string" || typeof task !== "string" || typeof output !== "string")
        throw new Error("not a review");
    },
  });
  const { damagedCount, torn } = log.report;
  return {
    add: log.append,
    all: () => read(path, log.bytes()),
    problems: () => {
      if (damagedCount === 0) return [];
      const [first] = log.report.damaged;
      const where = first ? `, the first at line ${first.line} (byte ${first.offset})` : "";
      const cut = torn ? `; a last line of ${torn.bytes} bytes was never finished` : "";
      return [`reviews.log: ${damagedCount} damaged lines were skipped${where}${cut}`];
    },
    close: log.close,
  };
}

/** The first `end` bytes, record by record; the head and damaged lines, which opening told of, are passed over. */
async function* read(path: string, end: number): AsyncGenerator<Judged> {
  if (end === 0) return;
  let rest: Buffer = Buffer.alloc(0);
  let line = 0;
  for await (const chunk of createReadStream(path, { end: end - 1, highWaterMark: 256 * 1024 })) {
    rest = rest.length === 0 ? (chunk as Buffer) : Buffer.concat([rest, chunk as Buffer]);
    for (let at = rest.indexOf(10); at >= 0; at = rest.indexOf(10)) {
      const judged = line > 0 ? recordOf(rest.subarray(0, at)) : undefined;
      rest = rest.subarray(at + 1);
      line += 1;
      if (judged) yield judged;
    }
  }
}

/** Of `{"crc32":"1a2b3c4d","record":{…}}`, or undefined when the checksum does not hold; see runtime/line-log.ts. */
function recordOf(line: Buffer): Judged | undefined {
  const [, told, record] = /^\{"crc32":"([0-9a-f]{8})","record":(.*)\}$/s.exec(line.toString()) ?? [];
  if (record === undefined) return undefined;
  const isWhole = Bun.hash.crc32(record).toString(16).padStart(8, "0") === told;
  return isWhole ? (JSON.parse(record) as Judged) : undefined;
}
