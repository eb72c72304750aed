/** What every bucket must do alike, wherever its bytes are: one suite, run on local disk and on an S3 server. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { ServiceError } from "../../runtime/errors/errors.ts";
import {
  type Bucket,
  type Conditions,
  type ObjectInfo,
  parseRange,
  type Written,
} from "../../workers/storaged/bucket/bucket.ts";
import { compareKeys } from "../../workers/storaged/bucket/keys.ts";
import { collect } from "../../workers/storaged/bucket/streams.ts";

const { signal } = new AbortController();
const MiB = 1024 * 1024;

/** Reproducible bytes that do not compress or repeat. */
export function noise(bytes: number, seed = 1): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array(Math.ceil(bytes / 4));
  let state = seed;
  for (let at = 0; at < words.length; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    words[at] = state;
  }
  return new Uint8Array(words.buffer, 0, bytes);
}

/** The bytes in pieces of odd sizes, as a network delivers them. */
export async function* inPieces(bytes: Uint8Array, piece = 65_537): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += piece) yield bytes.subarray(at, at + piece);
}

export const textBody = (text: string): AsyncGenerator<Uint8Array> =>
  inPieces(new TextEncoder().encode(text));

/** Receives and commits in one step. */
export async function store(
  bucket: Bucket,
  key: string,
  body: Uint8Array | string,
  { contentType, ...conditions }: Conditions & { contentType?: string } = {},
): Promise<Written> {
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
  const upload = await bucket.receive(key, inPieces(bytes), { contentType, bytesMax: 2 ** 40, signal });
  return upload.commit(conditions);
}

/** The object's text. */
export async function fetchText(bucket: Bucket, key: string, range?: string): Promise<string> {
  const { body } = await bucket.open(key, parseRange(range ?? null), signal);
  return new TextDecoder().decode(await collect(body));
}

/** The error a promise rejects with. */
export async function refusal(work: Promise<unknown>): Promise<ServiceError> {
  const error = await work.then(
    () => new Error("it was expected to be refused"),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ServiceError);
  return error as ServiceError;
}

const every = async (bucket: Bucket, prefix: string, pageSize: number, delimiter?: "/") => {
  const objects: ObjectInfo[] = [];
  const prefixes: string[] = [];
  let pages = 0;
  for (let pageToken: string | undefined, first = true; first || pageToken !== undefined; first = false) {
    const page = await bucket.list({ prefix, delimiter, pageSize, pageToken, signal });
    expect(page.objects.length + page.prefixes.length).toBeLessThanOrEqual(pageSize);
    expect(page.corrupt).toEqual([]);
    objects.push(...page.objects);
    prefixes.push(...page.prefixes);
    pageToken = page.nextPageToken;
    pages += 1;
  }
  return { keys: objects.map(({ key }) => key), objects, prefixes, pages };
};

const unpairedKeys = [
  "plain",
  "with space",
  "a+b&c=d?e#f%25",
  "quote'\"<>`",
  "(!*~)@$,;:",
  "back\\slash",
  "ünïcödé/🏗/文字",
  "dots...and.more/..hidden/a..b",
  `long/${"n".repeat(255)}/${"m".repeat(255)}`,
  `${"k/".repeat(511)}kk`,
];

export interface Subject {
  bucket: Bucket;
  /** Unfinished bodies that the store still holds. */
  leftovers: () => Promise<unknown[]>;
  stop: () => Promise<void>;
}

/** Registers the suite for one kind of bucket. `refused`: odd keys that its store would take for others. */
export function testBucket(
  name: string,
  open: () => Promise<Subject>,
  refused: readonly string[] = [],
): void {
  describe(`bucket ${name}`, () => {
    let subject: Subject;
    let bucket: Bucket;
    beforeAll(async () => {
      subject = await open();
      bucket = subject.bucket;
    });
    afterAll(() => subject.stop());

    objects(() => bucket, refused);
    conditions(() => bucket);
    ranges(() => bucket);
    listings(() => bucket);
    failures(
      () => bucket,
      () => subject.leftovers(),
    );
  });
}

function objects(bucket: () => Bucket, refused: readonly string[]): void {
  test.each(refused)("refuses '%s' by every way", async (key) => {
    for (const work of [
      () => store(bucket(), key, "x"),
      () => bucket().head(key, signal),
      () => bucket().open(key, undefined, signal),
      () => bucket().remove(key, {}, signal),
      () => bucket().locate(key, signal),
    ])
      expect((await refusal(work())).type).toBe("invalid_key");
  });

  const kept = unpairedKeys.filter((key) => !refused.includes(key));
  const named = kept.map((key) => ({ name: key.slice(0, 30), key }));
  test.each(named)("keeps an object under '$name'", async ({ key }) => {
    const { info, created } = await store(bucket(), key, `content of ${key}`);
    expect(created).toBe(true);
    expect(await fetchText(bucket(), key)).toBe(`content of ${key}`);
    expect(await bucket().head(key, signal)).toEqual(info);
    expect(
      (await bucket().list({ prefix: key, pageSize: 10, signal })).objects.map((found) => found.key),
    ).toContain(key);
    expect(await bucket().remove(key, {}, signal)).toBe(true);
    expect((await refusal(bucket().head(key, signal))).type).toBe("not_found");
  });

  test.each([0, 1, 65_536, 8 * MiB - 1, 8 * MiB, 8 * MiB + 1, 20 * MiB + 7])(
    "keeps %d bytes as they are",
    async (size) => {
      const bytes = noise(size);
      const { info } = await store(bucket(), "sizes/object", bytes, { contentType: "application/x-test" });
      expect(info.bytes).toBe(size);
      const isPlain = bucket().describe().kind === "local" && !bucket().hashOf;
      if (!isPlain) expect(info.content_type).toBe("application/x-test");
      const opened = await bucket().open("sizes/object", undefined, signal);
      expect(opened.info).toEqual(info);
      expect(Buffer.compare(await collect(opened.body), bytes)).toBe(0);
      expect(await bucket().head("sizes/object", signal)).toEqual(info);
    },
  );

  test("tells the hash of what has arrived before it is the object", async () => {
    const upload = await bucket().receive("hash/a", textBody("abc"), { bytesMax: 10, signal });
    expect(upload.bytes).toBe(3);
    expect(upload.sha256).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    expect((await refusal(bucket().head("hash/a", signal))).type).toBe("not_found");
    await upload.discard();
    expect((await refusal(bucket().head("hash/a", signal))).type).toBe("not_found");
  });

  test("replaces an object, and a reader of the old one reads on", async () => {
    const old = noise(3 * MiB, 5);
    const first = await store(bucket(), "replaced", old);
    const opened = await bucket().open("replaced", undefined, signal);
    const reader = opened.body.getReader();
    const chunks = [(await reader.read()).value ?? new Uint8Array()];
    const second = await store(bucket(), "replaced", "new");
    expect([first.created, second.created]).toEqual([true, false]);
    expect(second.info.etag).not.toBe(first.info.etag);
    for (let next = await reader.read(); !next.done; next = await reader.read()) chunks.push(next.value);
    expect(Buffer.compare(Buffer.concat(chunks), old)).toBe(0);
    expect(await fetchText(bucket(), "replaced")).toBe("new");
  });

  test("a missing object is not_found by every way", async () => {
    for (const work of [
      () => bucket().head("missing/object", signal),
      () => bucket().open("missing/object", undefined, signal),
      () => bucket().open("missing/object", { first: 1 }, signal),
      () => bucket().locate("missing/object", signal),
    ]) {
      const error = await refusal(work());
      expect(error.type).toBe("not_found");
      expect(error.message).toContain("missing/object");
    }
    expect(await bucket().remove("missing/object", {}, signal)).toBe(false);
  });

  test("an object is not found under a key that it is a folder of", async () => {
    await store(bucket(), "folder/inner", "x");
    expect((await refusal(bucket().head("folder", signal))).type).toBe("not_found");
    expect(await bucket().remove("folder", {}, signal)).toBe(false);
    expect(await fetchText(bucket(), "folder/inner")).toBe("x");
  });

  test("many writers of one key leave one of their objects", async () => {
    const texts = Array.from({ length: 12 }, (_, at) => `writer ${at} `.repeat(1000));
    const written = await Promise.all(texts.map((text) => store(bucket(), "contended", text)));
    expect(written.filter(({ created }) => created)).toHaveLength(1);
    const left = await fetchText(bucket(), "contended");
    expect(texts).toContain(left);
    const { etag } = await bucket().head("contended", signal);
    expect(written.map(({ info }) => info.etag)).toContain(etag);
  });
}

function conditions(bucket: () => Bucket): void {
  const type = async (work: Promise<unknown>) => (await refusal(work)).type;

  test("If-None-Match: * stores only what is new", async () => {
    expect((await store(bucket(), "cond/new", "1", { ifNoneMatch: "*" })).created).toBe(true);
    expect(await type(store(bucket(), "cond/new", "2", { ifNoneMatch: "*" }))).toBe("precondition_failed");
    expect(await fetchText(bucket(), "cond/new")).toBe("1");
  });

  test("If-Match stores only over the object it names", async () => {
    const first = await store(bucket(), "cond/cas", "1");
    const second = await store(bucket(), "cond/cas", "2", { ifMatch: first.info.etag });
    expect(second.created).toBe(false);
    const stale = await refusal(store(bucket(), "cond/cas", "3", { ifMatch: first.info.etag }));
    expect(stale.type).toBe("precondition_failed");
    expect(stale.message).toContain(second.info.etag);
    expect(await type(store(bucket(), "cond/none", "3", { ifMatch: first.info.etag }))).toBe(
      "precondition_failed",
    );
    expect(await type(store(bucket(), "cond/none", "3", { ifMatch: "*" }))).toBe("precondition_failed");
    expect((await store(bucket(), "cond/cas", "4", { ifMatch: "*" })).created).toBe(false);
    expect(await fetchText(bucket(), "cond/cas")).toBe("4");
    expect(await type(bucket().remove("cond/cas", { ifMatch: first.info.etag }, signal))).toBe(
      "precondition_failed",
    );
    const { etag } = await bucket().head("cond/cas", signal);
    expect(await bucket().remove("cond/cas", { ifMatch: etag }, signal)).toBe(true);
  });

  test("conditions hold for large objects too", async () => {
    const large = noise(9 * MiB);
    await store(bucket(), "cond/large", large, { ifNoneMatch: "*" });
    expect(await type(store(bucket(), "cond/large", large, { ifNoneMatch: "*" }))).toBe(
      "precondition_failed",
    );
    expect((await bucket().head("cond/large", signal)).bytes).toBe(large.length);
  });

  test("of many that create, one does", async () => {
    const outcomes = await Promise.all(
      Array.from({ length: 16 }, (_, at) =>
        store(bucket(), "cond/race", `racer ${at}`, { ifNoneMatch: "*" }).then(
          () => `racer ${at}`,
          (error: ServiceError) => error.type,
        ),
      ),
    );
    const winners = outcomes.filter((outcome) => outcome.startsWith("racer"));
    expect(winners).toEqual([await fetchText(bucket(), "cond/race")]);
    expect(outcomes.filter((outcome) => outcome === "precondition_failed")).toHaveLength(15);
  });

  test("of many that swap, each knows whether it did", async () => {
    await store(bucket(), "cond/count", "0");
    const increment = async (): Promise<void> => {
      for (;;) {
        const { info, body } = await bucket().open("cond/count", undefined, signal);
        const next = String(Number(new TextDecoder().decode(await collect(body))) + 1);
        const outcome = await store(bucket(), "cond/count", next, { ifMatch: info.etag }).catch(
          (error) => error.type,
        );
        if (outcome !== "precondition_failed") return expect(outcome).toHaveProperty("created", false);
      }
    };
    await Promise.all(Array.from({ length: 8 }, increment));
    expect(await fetchText(bucket(), "cond/count")).toBe("8");
  });
}

function ranges(bucket: () => Bucket): void {
  const rows: [header: string, text: string][] = [
    ["bytes=0-0", "0"],
    ["bytes=2-5", "2345"],
    ["bytes=7-", "789"],
    ["bytes=-3", "789"],
    ["bytes=-100", "0123456789"],
    ["bytes=5-100", "56789"],
    ["bytes=9-9", "9"],
  ];
  test.each(rows)("%s", async (header, text) => {
    await store(bucket(), "ranges/ten", "0123456789");
    expect(await fetchText(bucket(), "ranges/ten", header)).toBe(text);
  });

  test.each(["bytes=10-", "bytes=10-20", "bytes=-0"])("%s is outside", async (header) => {
    await store(bucket(), "ranges/ten", "0123456789");
    const error = await refusal(bucket().open("ranges/ten", parseRange(header), signal));
    expect(error.type).toBe("range_not_satisfiable");
    expect(error.details).toEqual({ bytes: 10 });
  });

  test("a range across parts of a large object", async () => {
    const bytes = noise(18 * MiB);
    await store(bucket(), "ranges/large", bytes);
    const { span, info, body } = await bucket().open(
      "ranges/large",
      { first: 8 * MiB - 3, last: 16 * MiB + 2 },
      signal,
    );
    expect(span).toEqual({ first: 8 * MiB - 3, last: 16 * MiB + 2 });
    expect(info.bytes).toBe(bytes.length);
    expect(Buffer.compare(await collect(body), bytes.subarray(8 * MiB - 3, 16 * MiB + 3))).toBe(0);
  });

  test("an empty object has no range", async () => {
    await store(bucket(), "ranges/empty", "");
    expect((await refusal(bucket().open("ranges/empty", { first: 0 }, signal))).type).toBe(
      "range_not_satisfiable",
    );
    expect(await fetchText(bucket(), "ranges/empty")).toBe("");
  });
}

function listings(bucket: () => Bucket): void {
  const keys = ["a", "a.b", "a-/x", "b/1", "b/2/x", "b/2/y", "b/3", "b0", "B", "ö", "￿", "\u{10000}", "🏗/z"];

  test("lists by UTF-8 bytes, in pages of any size", async () => {
    for (const key of keys) await store(bucket(), `list/${key}`, key);
    const expected = keys
      .map((key) => `list/${key}`)
      .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    expect([...keys].sort(compareKeys).map((key) => `list/${key}`)).toEqual(expected);
    for (const pageSize of [1, 2, 5, 1000]) {
      const all = await every(bucket(), "list/", pageSize);
      expect(all.keys).toEqual(expected);
      expect(all.pages).toBe(Math.ceil(keys.length / pageSize));
    }
    const [info] = (await every(bucket(), "list/a", 10)).objects;
    expect(info?.bytes).toBe(1);
    expect(info?.etag).toBe((await bucket().head("list/a", signal)).etag);
    expect(info?.last_modified).toBe((await bucket().head("list/a", signal)).last_modified);
  });

  test("a delimiter folds what lies deeper", async () => {
    const folded = await every(bucket(), "list/", 1000, "/");
    expect(folded.keys).toEqual(["B", "a", "a.b", "b0", "ö", "￿", "\u{10000}"].map((key) => `list/${key}`));
    expect(folded.prefixes).toEqual(["list/a-/", "list/b/", "list/🏗/"]);
    for (const pageSize of [1, 3]) {
      const paged = await every(bucket(), "list/", pageSize, "/");
      expect(paged.keys).toEqual(folded.keys);
      expect(paged.prefixes).toEqual(folded.prefixes);
    }
    expect((await every(bucket(), "list/b/2", 10, "/")).prefixes).toEqual(["list/b/2/"]);
    expect((await every(bucket(), "list/b/2/", 10, "/")).keys).toEqual(["list/b/2/x", "list/b/2/y"]);
  });

  test("a prefix may end within a name, and match nothing", async () => {
    expect((await every(bucket(), "list/b", 10)).keys).toEqual(
      ["b/1", "b/2/x", "b/2/y", "b/3", "b0"].map((key) => `list/${key}`),
    );
    expect((await every(bucket(), "list/nothing", 10)).keys).toEqual([]);
    expect((await every(bucket(), "list/a/b/c/", 10)).keys).toEqual([]);
  });

  test("keeps its own files to itself", async () => {
    const all = await every(bucket(), "", 1000, "/");
    expect(all.prefixes).toContain("list/");
    expect(all.prefixes).not.toContain(".lakehouse/");
    expect((await every(bucket(), "", 10_000)).keys.filter((key) => key.startsWith(".lakehouse"))).toEqual(
      [],
    );
  });

  test("a token that was made up is refused", async () => {
    for (const pageToken of ["x", "", "e30", Buffer.from("[1]").toString("base64url")]) {
      const error = await refusal(bucket().list({ prefix: "", pageSize: 1, pageToken, signal }));
      expect(error.type).toBe("invalid_field");
    }
  });
}

function failures(bucket: () => Bucket, leftovers: () => Promise<unknown[]>): void {
  const absent = async (key: string) => {
    expect((await refusal(bucket().head(key, signal))).type).toBe("not_found");
    expect(await leftovers()).toEqual([]);
  };
  const broken = async function* (bytes: number) {
    yield* inPieces(noise(bytes));
    throw new DOMException("The connection was closed.", "AbortError");
  };

  test.each([10, 9 * MiB, 30 * MiB])(
    "a body that breaks off after %d bytes stores nothing",
    async (bytes) => {
      const error = await refusal(
        bucket().receive("fail/broken", broken(bytes), { bytesMax: 2 ** 30, signal }),
      );
      expect(error.type).toBe("client_closed");
      await absent("fail/broken");
    },
  );

  test.each([100, 9 * MiB])("a body over its limit of %d bytes stores nothing", async (bytesMax) => {
    const body = inPieces(noise(bytesMax + 1));
    expect((await refusal(bucket().receive("fail/large", body, { bytesMax, signal }))).type).toBe(
      "too_large",
    );
    await absent("fail/large");
  });

  test.each([9, 11])("a body of 10 bytes that announced %d stores nothing", async (bytes) => {
    const options = { bytesMax: 100, bytes, signal };
    expect((await refusal(bucket().receive("fail/length", textBody("0123456789"), options))).type).toBe(
      "bad_request",
    );
    await absent("fail/length");
  });

  test.each([5, 20 * MiB])("an upload of %d bytes that is given up leaves nothing", async (bytes) => {
    const upload = await bucket().receive("fail/discarded", inPieces(noise(bytes)), {
      bytesMax: 2 ** 30,
      signal,
    });
    await upload.discard();
    await absent("fail/discarded");
  });

  test.each([5, 20 * MiB])(
    "a refused commit of %d bytes leaves nothing but the old object",
    async (bytes) => {
      await store(bucket(), "fail/kept", "kept");
      const work = store(bucket(), "fail/kept", noise(bytes), { ifNoneMatch: "*" });
      expect((await refusal(work)).type).toBe("precondition_failed");
      expect(await fetchText(bucket(), "fail/kept")).toBe("kept");
      expect(await leftovers()).toEqual([]);
    },
  );

  test("a sender that leaves between two chunks stores nothing", async () => {
    const leaving = new AbortController();
    const body = (async function* () {
      yield noise(1000);
      leaving.abort(new DOMException("gone", "AbortError"));
      yield noise(1000);
    })();
    const error = await refusal(
      bucket().receive("fail/left", body, { bytesMax: 10_000, signal: leaving.signal }),
    );
    expect(error.type).toBe("client_closed");
    await absent("fail/left");
  });
}
