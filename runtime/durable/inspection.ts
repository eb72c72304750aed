/**
 * What a service keeps on stable storage, as operators handle it: inspected for damage (`fsck`), and as a snapshot
 * (`backup`).
 */

/** A problem of what is kept. */
export interface Finding {
  /** `damage`: something is lost or cannot be trusted. `leftover`: an orphan, which only takes room. */
  severity: "damage" | "leftover";
  /** Which object, file, line or row, as `primary://datasets/a/1.parquet` or `pathwayd/traces.log line 7`. */
  place: string;
  problem: string;
  /** What an operator can do about it. */
  remedy: string;
}

/** How far an inspection is, in steps of the service's own choice. */
export interface Progress {
  done: number;
  total: number;
  /** What is looked at, as `objects of primary`. */
  of: string;
}

export type Inspected = { finding: Finding } | { progress: Progress };

/** One file of a snapshot. Its path is relative to the service's directory, unless it is an object of a bucket. */
export interface SnapshotFile {
  /** Unique in its snapshot: `/`-separated, neither absolute nor with `..`. Objects: `objects/<bucket>/<key>`. */
  path: string;
  bytes: number;
  /** In hex, where it is known without reading the file. */
  sha256?: string;
  object?: { bucket: string; key: string; etag: string; content_type?: string };
}

/** What a service kept at one moment. It stays readable, whatever is written meanwhile, until `end`. */
export interface Snapshot {
  files: () => AsyncIterable<SnapshotFile>;
  /** Throws `not_found` for a path that is not of this snapshot. */
  open: (path: string) => Promise<ReadableStream<Uint8Array>>;
  end: () => Promise<void>;
}

/** What `fsck` and `backup` ask of a service. */
export interface Durable {
  /** Reads everything again: checksums, and whether what it refers to is there. Changes nothing. */
  inspect: (signal: AbortSignal) => AsyncIterable<Inspected>;
  /** Fixes what is there now. Quick: what takes long belongs into `files` and `open`. */
  snapshot: () => Promise<Snapshot>;
}
