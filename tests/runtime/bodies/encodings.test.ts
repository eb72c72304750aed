/** `Content-Encoding` of request bodies, bounded, and of answers, as they stream. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  brotliCompressSync,
  brotliDecompressSync,
  deflateSync,
  gunzipSync,
  gzipSync,
  zstdCompressSync,
  zstdDecompressSync,
} from "node:zlib";
import { chooseEncoding, encodeAnswer } from "../../../runtime/bodies/answer-encoding.ts";
import { jsonResponse } from "../../../runtime/bodies/buffered.ts";
import { definition } from "../../fixtures/runtime/echo.ts";
import { type ApiCase, runCases } from "../../support/clients/api-case.ts";
import {
  configWith,
  type InProcess,
  startInProcess,
  temporaryDirectory,
} from "../../support/stacks/in-process.ts";

const directory = temporaryDirectory("encodings");
let service: InProcess<typeof definition.contract>;
beforeAll(async () => {
  service = await startInProcess(definition, { config: configWith({ data_dir: directory.path }), peers: {} });
});
afterAll(async () => {
  await service.stop();
  directory.remove();
});

const json = JSON.stringify({ text: "packed" });
const packers: Record<string, (text: string | Uint8Array) => Uint8Array> = {
  gzip: gzipSync,
  "x-gzip": gzipSync,
  deflate: deflateSync,
  br: brotliCompressSync,
  zstd: zstdCompressSync,
};
const packed = (
  name: string,
  encoding: string,
  body: Uint8Array | string,
  rest: Partial<ApiCase>,
): ApiCase => ({
  name,
  method: "POST",
  path: "/echo",
  headers: { "content-type": "application/json", "content-encoding": encoding },
  body: body as BodyInit,
  ...rest,
});

describe("requests", () => {
  const rows = Object.entries(packers).flatMap(([encoding, pack]) => {
    const whole = pack(json);
    return [
      packed(encoding, encoding, whole, { contains: ['{"text":"packed"}'] }),
      packed(`${encoding} in capitals`, encoding.toUpperCase(), whole, { contains: ["packed"] }),
      packed(`${encoding} cut off`, encoding, whole.subarray(0, -4), {
        type: "bad_request",
        contains: ["cannot be unpacked"],
      }),
      packed(`${encoding} that is none`, encoding, json, { type: "bad_request" }),
      // Some kilobytes on the wire, 64 MiB in memory.
      packed(`${encoding} of too much`, encoding, pack(new Uint8Array(64 << 20)), {
        type: "too_large",
        contains: ["unpacks to more than 8388608 bytes"],
      }),
    ];
  });
  const others: ApiCase[] = [
    packed("identity", "identity", json, { contains: ["packed"] }),
    packed("an empty header", "", json, { contains: ["packed"] }),
    packed("an unknown coding", "snappy", json, {
      type: "unsupported_media_type",
      contains: ["gzip, deflate, br, zstd", "snappy"],
      expectHeaders: { "accept-encoding": "gzip, deflate, br, zstd" },
    }),
    packed("a name that objects have", "constructor", json, { type: "unsupported_media_type" }),
    packed("two codings", "gzip, gzip", gzipSync(gzipSync(json)), { status: 415 }),
    packed("bad JSON inside", "gzip", gzipSync("{"), { type: "invalid_json" }),
  ];
  runCases([...rows, ...others], () => service.send);
});

test("which coding is chosen", () => {
  const rows: [string | null, string | undefined][] = [
    [null, undefined],
    ["", undefined],
    ["identity", undefined],
    ["gzip", "gzip"],
    ["x-gzip", "gzip"],
    ["gzip, deflate", "gzip"],
    ["gzip, deflate, br, zstd", "zstd"],
    ["gzip;q=1, zstd;q=0.5", "gzip"],
    ["br;q=0.9, gzip;q=0.8", "br"],
    ["gzip;q=0", undefined],
    ["*", "zstd"],
    ["*;q=0", undefined],
    ["zstd;q=0, *", "gzip"],
    ["identity;q=1, gzip;q=0.5", undefined],
    ["GZIP", "gzip"],
    ["snappy", undefined],
    ["gzip;q=2", undefined],
  ];
  for (const [header, right] of rows) expect([header, chooseEncoding(header)]).toEqual([header, right]);
});

const unpackers: Record<string, (bytes: Uint8Array) => Uint8Array> = {
  gzip: gunzipSync,
  br: brotliDecompressSync,
  zstd: zstdDecompressSync,
};
const asking = (encoding: string) =>
  new Request("http://localhost/", { headers: { "accept-encoding": encoding } });
const bytesOf = (response: Response) => response.bytes();

describe.each(Object.keys(unpackers))("answers in %s", (encoding) => {
  const unpack = unpackers[encoding] as (bytes: Uint8Array) => Uint8Array;
  const csv = { headers: { "content-type": "text/csv; charset=utf-8", "content-length": "9" } };

  test("a whole one", async () => {
    const value = { rows: Array.from({ length: 1000 }, (_, at) => at) };
    const answer = await encodeAnswer(asking(encoding), jsonResponse(value, { etag: '"x"' }));
    expect(answer.headers.get("content-encoding")).toBe(encoding);
    expect(answer.headers.get("vary")).toBe("accept-encoding");
    expect(JSON.parse(new TextDecoder().decode(unpack(await bytesOf(answer))))).toEqual(value);
  });

  test("one that streams: each piece arrives when it is made, and is asked for one at a time", async () => {
    let asked = 0;
    const encoder = new TextEncoder();
    const body = new ReadableStream<Uint8Array>(
      {
        pull: (controller) => {
          asked += 1;
          if (asked > 50) return controller.close();
          controller.enqueue(encoder.encode(`${asked},`.repeat(10_000)));
        },
      },
      { highWaterMark: 0 },
    );
    const answer = await encodeAnswer(asking(encoding), new Response(body, csv));
    expect(answer.headers.has("content-length")).toBe(false);
    const reader = (answer.body as ReadableStream<Uint8Array>).getReader();
    const first = await reader.read();
    expect(first.value?.length).toBeGreaterThan(0);
    expect(asked).toBe(1);
    const chunks = [first.value as Uint8Array];
    for (let next = await reader.read(); !next.done; next = await reader.read()) chunks.push(next.value);
    const text = new TextDecoder().decode(unpack(Buffer.concat(chunks)));
    expect(text).toBe(Array.from({ length: 50 }, (_, at) => `${at + 1},`.repeat(10_000)).join(""));
  });

  test("one that breaks off has no end that looks right", async () => {
    let asked = 0;
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        asked += 1;
        if (asked === 3) return controller.error(new Error("broken"));
        controller.enqueue(new Uint8Array(100_000));
      },
    });
    const answer = await encodeAnswer(asking(encoding), new Response(body, csv));
    expect(bytesOf(answer)).rejects.toThrow("broken");
  });

  test("a reader that leaves ends what is read", async () => {
    const left = Promise.withResolvers<unknown>();
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new Uint8Array(100_000)),
      cancel: left.resolve,
    });
    const answer = await encodeAnswer(asking(encoding), new Response(body, csv));
    const reader = (answer.body as ReadableStream<Uint8Array>).getReader();
    await reader.read();
    await reader.cancel("enough");
    expect(await left.promise).toBe("enough");
  });

  test("short, packed and encoded ones stay as they are", async () => {
    const plain = async (response: Response) =>
      (await encodeAnswer(asking(encoding), response)).headers.get("content-encoding");
    expect(await plain(jsonResponse({ a: 1 }))).toBeNull();
    expect(
      await plain(new Response("x".repeat(9999), { headers: { "content-type": "text/event-stream" } })),
    ).toBeNull();
    expect(
      await plain(
        new Response("x".repeat(9999), { headers: { "content-type": "application/vnd.apache.parquet" } }),
      ),
    ).toBeNull();
    const own = { "content-type": "text/csv", "content-encoding": "own" };
    expect(await plain(new Response("x".repeat(9999), { headers: own }))).toBe("own");
  });
});
