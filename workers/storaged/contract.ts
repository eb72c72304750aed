/** storaged: objects in named buckets. See README.md beside this file. */
import {
  Binary,
  Bytes,
  closed,
  contract,
  get,
  internal,
  nextPage,
  pageFields,
  raw,
  t,
} from "../../runtime/contract/contract.ts";

const bucket = t.Optional(
  t.String({ minLength: 1, maxLength: 64, description: "Bucket name; `primary` unless given." }),
);
const key = t.String({ description: "Object key: 1-1024 bytes of UTF-8, segments separated by `/`." });
const Key = closed({ key });
const InBucket = closed({ bucket });

/** What is known of one object. `etag` is strong and unquoted: the SHA-256 of the bytes in hex on local buckets, the server's own on S3. */
export const ObjectInfo = closed({
  key: t.String(),
  bytes: t.Integer({ minimum: 0 }),
  etag: t.String(),
  last_modified: t.String({ format: "date-time" }),
  content_type: t.Optional(t.String()),
});

/** Where a reader on this machine, or with S3 credentials, finds the bytes of an object. */
export const Location = t.Union([
  closed({
    kind: t.Literal("local"),
    path: t.String({ description: "Absolute path; read only." }),
    info: ObjectInfo,
  }),
  closed({ kind: t.Literal("s3"), url: t.String({ description: "s3://bucket/key" }), info: ObjectInfo }),
]);

/** The folder or the bucket that keys are appended to. */
export const Place = t.Union([
  closed({ kind: t.Literal("local"), path: t.String({ description: "Absolute path; read only." }) }),
  closed({
    kind: t.Literal("s3"),
    url: t.String({ description: "s3://bucket" }),
    endpoint: t.String(),
    region: t.String(),
    path_style: t.Boolean(),
  }),
]);

/** Conditions as in HTTP: `if_match` an etag, `if_none_match` only "*". */
const conditions = {
  if_match: t.Optional(t.String()),
  if_none_match: t.Optional(t.Literal("*")),
};

export const BucketInfo = closed({
  name: t.String(),
  kind: t.Union([t.Literal("local"), t.Literal("s3")]),
  layout: t.Optional(
    t.Literal("plain", { description: "Others write there as well; etags are no hashes of the bytes." }),
  ),
  endpoint: t.Optional(t.String()),
  region: t.Optional(t.String()),
  conditional_writes: t.Union([t.Literal("native"), t.Literal("locked"), t.Literal("unknown")], {
    description:
      "Who decides a write with If-Match or If-None-Match: `native`, the store itself; `locked`, storaged, which holds for the writes of one storaged; `unknown`, the server has not answered yet.",
  }),
  server: t.Optional(t.String({ description: "What the S3 server calls itself." })),
  lacks: t.Optional(
    t.Array(t.String(), { description: "What the S3 server does otherwise than Amazon's, found by trial." }),
  ),
});

export const JournalEntry = closed({
  at: t.String({ format: "date-time" }),
  operation: t.String(),
  bucket: t.String(),
  key: t.String(),
  type: t.String(),
  message: t.String(),
  request_id: t.String(),
});

/** In storaged's directory after a restore: a line for each object that would have another etag in its new place. */
export const formerEtagsFile = "etags.jsonl";
export const FormerEtag = closed({
  bucket: t.String(),
  key: t.String(),
  /** What the new place says it is, and what it is known by. */
  now: t.String(),
  before: t.String(),
});

export const storaged = contract("storaged", {
  put: raw(["PUT"], "/storage/put/*", {
    inQuery: true,
    summary: "Stores the body under the key. If-Match / If-None-Match: * are honoured (412).",
    params: Key,
    query: InBucket,
    consumes: { "application/octet-stream": Binary },
    produces: { "application/json": ObjectInfo },
    statuses: [200, 201],
    refusals: [408, 412],
    headers: {
      "if-match": "Only where the object has one of these etags.",
      "if-none-match": "`*`: only where there is no object.",
    },
    answerHeaders: { etag: "Strong: of the bytes that were stored." },
  }),
  get: raw(["GET", "HEAD"], "/storage/get/*", {
    inQuery: true,
    summary: "Streams the object. Range gives 206, If-None-Match gives 304.",
    params: Key,
    query: InBucket,
    // The media type that it was stored with.
    produces: { "application/octet-stream": Binary, "*/*": Binary },
    statuses: [200, 206, 304],
    refusals: [412, 416],
    headers: {
      range: "`bytes=FIRST-LAST`: one span of the object.",
      "if-range": "The etag that the span is of; all of the object where it has another.",
      "if-match": "Only where the object has one of these etags.",
      "if-none-match": "304 where the object has one of these etags.",
      "if-modified-since": "304 where the object is not newer.",
      "if-unmodified-since": "412 where the object is newer.",
    },
    answerHeaders: {
      etag: "Strong: of the object's bytes.",
      "last-modified": "When the object was stored.",
      "accept-ranges": "`bytes`.",
      "content-range": "The span that is sent, with 206.",
      "repr-digest": "SHA-256 of the whole object, where it is known (RFC 9530).",
    },
  }),
  remove: raw(["DELETE"], "/storage/delete/*", {
    inQuery: true,
    statuses: [204],
    refusals: [412],
    headers: { "if-match": "Only where the object has one of these etags." },
    summary: "Deletes the object: 204, or 404 when there is none. If-Match is honoured.",
    params: Key,
    query: InBucket,
  }),
  list: get("/storage/list", {
    summary: "Lists objects in key order (UTF-8 bytes); with a delimiter, common prefixes too.",
    query: closed({
      bucket,
      prefix: t.Optional(t.String({ maxLength: 1024 })),
      delimiter: t.Optional(t.Literal("/")),
      ...pageFields,
    }),
    reply: closed({
      objects: t.Array(ObjectInfo),
      prefixes: t.Array(t.String()),
      /** Keys on the page whose bytes cannot be trusted; absent when there are none. */
      corrupt: t.Optional(t.Array(t.String())),
      ...nextPage,
    }),
  }),
  buckets: get("/storage/buckets", {
    summary: "The configured buckets.",
    reply: closed({ buckets: t.Array(BucketInfo) }),
  }),
  errors: get("/storage/errors", {
    summary: "The journal of failed operations, newest first.",
    query: closed({ bucket, ...pageFields }),
    reply: closed({ errors: t.Array(JournalEntry), ...nextPage }),
  }),

  // Between services. Small objects travel as bytes; large ones by `stage` and `commit`, or by the streams above.
  read: internal({
    reads: true,
    summary: "The whole object, at most 64 MiB; not_found when there is none.",
    body: closed({ bucket, key }),
    reply: closed({ info: ObjectInfo, bytes: Bytes }),
  }),
  write: internal({
    summary: "Stores the bytes durably.",
    body: closed({ bucket, key, bytes: Bytes, ...conditions }),
    reply: ObjectInfo,
  }),
  erase: internal({
    summary: "Deletes the object; false when there was none.",
    body: closed({ bucket, key }),
    reply: closed({ deleted: t.Boolean() }),
  }),
  head: internal({
    reads: true,
    summary: "What is known of the object; not_found when there is none.",
    body: closed({ bucket, key }),
    reply: ObjectInfo,
  }),
  locate: internal({
    reads: true,
    summary:
      "Where to read the object in place; verifies that it is whole, unless the caller checks every byte of it: `verify` false.",
    body: closed({ bucket, key, verify: t.Optional(t.Boolean()) }),
    reply: Location,
  }),
  place: internal({
    reads: true,
    summary: "Where programs of others find a bucket's objects: nothing is verified there.",
    body: InBucket,
    reply: Place,
  }),
  stage: internal({
    reads: true,
    summary:
      "Reserves a file to write an object into. `path` is absent when the bucket is not on this machine's disk: then PUT.",
    body: closed({ bucket }),
    reply: closed({ token: t.String(), path: t.Optional(t.String()) }),
  }),
  seal: internal({
    reads: true,
    summary:
      "Makes a complete staged file durable, and returns the SHA-256 of its bytes. A commit has little left to do then.",
    body: closed({ token: t.String() }),
    reply: closed({ sha256: t.String(), bytes: t.Integer() }),
  }),
  commit: internal({
    summary:
      "Makes the staged file the object: durable, atomic. With if_none_match an existing object is a 412.",
    body: closed({ token: t.String(), bucket, key, ...conditions }),
    reply: ObjectInfo,
  }),
  discard: internal({
    reads: true,
    summary: "Releases a staged file. Unknown tokens are no error.",
    body: closed({ token: t.String() }),
    reply: closed({}),
  }),
});
export type Storaged = typeof storaged;
