/** Answers that come compressed: unpacked as they are read, whatever a megabyte of them holds. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { brotliCompressSync, constants, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { bytesOf, fetchUpstream, limitBody, piecesOf, textOf } from "../../../runtime/upstream/upstream.ts";

const MiB = 1024 * 1024;
const pack: Record<string, (bytes: Uint8Array) => Uint8Array> = {
  gzip: (bytes) => gzipSync(bytes),
  deflate: (bytes) => deflateSync(bytes),
  br: (bytes) => brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } }),
  zstd: (bytes) => zstdCompressSync(bytes),
};
const codings = Object.keys(pack);
const bomb = Buffer.alloc(64 * MiB, " ");
const sentence = "the answer is forty two. ".repeat(40);

let server: Bun.Server<undefined>;
const open: ReadableStreamDefaultController<Uint8Array>[] = [];
let isLeft = Promise.withResolvers<void>();
beforeAll(() => {
  const bodies = new Map(codings.map((coding) => [coding, pack[coding]?.(bomb)]));
  server = Bun.serve({
    port: 0,
    fetch: ({ url }) => {
      const [, what = "", coding = ""] = new URL(url).pathname.split("/");
      const headers = { "content-encoding": coding };
      const packed = pack[coding]?.(Buffer.from(sentence)) ?? new Uint8Array();
      if (what === "bomb") return new Response(bodies.get(coding) as Uint8Array<ArrayBuffer>, { headers });
      if (what === "cut") return new Response(packed.slice(0, -9) as Uint8Array<ArrayBuffer>, { headers });
      if (what === "damaged")
        return new Response(packed.map((byte, at) => (at === 12 ? byte ^ 255 : byte)).reverse(), { headers });
      if (what === "drip") {
        const body = new ReadableStream<Uint8Array>({
          start: (controller) => {
            open.push(controller);
            controller.enqueue(packed);
          },
          cancel: () => isLeft.resolve(),
        });
        return new Response(body, { headers });
      }
      return new Response(packed as Uint8Array<ArrayBuffer>, { headers });
    },
  });
});
afterAll(() => server.stop(true));

const ask = (what: string, coding: string) => fetchUpstream(new URL(`/${what}/${coding}`, server.url));
const limit = (bytesMax: number) => ({ bytesMax, tooMuch: () => new RangeError("too much") });

describe.each(codings)("%s", (coding) => {
  test("is read as what it holds, with no header that speaks of the coded bytes", async () => {
    const response = await ask("plain", coding);
    expect(response.headers.get("content-encoding")).toBeNull();
    expect(response.headers.get("content-length")).toBeNull();
    expect(await textOf(response, limit(MiB))).toBe(sentence);
  });

  test("comes in small pieces, and no more of it than the bound", async () => {
    const sizes: number[] = [];
    const read = async () => {
      for await (const piece of piecesOf(await ask("bomb", coding), limit(MiB))) sizes.push(piece.length);
    };
    await expect(read()).rejects.toThrow("too much");
    expect(Math.max(...sizes)).toBeLessThanOrEqual(64 * 1024);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(MiB);
  });

  test("has the bound also where a whole answer is read, by us or by a package", async () => {
    await expect(bytesOf(await ask("bomb", coding), limit(MiB))).rejects.toThrow("too much");
    await expect(limitBody(await ask("bomb", coding), limit(MiB)).text()).rejects.toThrow("too much");
  });

  test("that ends early or is damaged is no answer", async () => {
    await expect(bytesOf(await ask("cut", coding), limit(MiB))).rejects.toThrow();
    await expect(bytesOf(await ask("damaged", coding), limit(MiB))).rejects.toThrow();
  });
});

test("what is there is given at once, and who leaves ends the answer", async () => {
  isLeft = Promise.withResolvers();
  // One block that says that more may follow.
  const pieces = piecesOf(await ask("drip", "gzip"), limit(MiB));
  const { value } = await pieces.next();
  expect(new TextDecoder().decode(value)).toBe(sentence);
  await pieces.return(undefined);
  await isLeft.promise;
});

test("a coding that nobody knows is told", async () => {
  await expect(ask("plain", "rot13")).rejects.toThrow("content encoding 'rot13' is not known");
});
