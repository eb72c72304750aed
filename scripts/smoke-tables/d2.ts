import { createHash } from "node:crypto";
import {
  expectEqual,
  expectError,
  expectStatus,
  expectStored,
  expectTrue,
  type Smoke,
} from "../smoke-product/smoke-product.ts";

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

export const d2: Smoke = {
  about: "storage: put, get, range, conditions, list, delete",
  async run({ check, lake }) {
    const { open, send } = await lake();
    const folder = `smoke/${crypto.randomUUID()}`;
    const key = `${folder}/größe 1+1.bin`;
    const path = key.split("/").map(encodeURIComponent).join("/");
    const bytes = new Uint8Array(5 * 1024 * 1024).map((_, at) => (at * 2_654_435_761) >>> 24);
    const put = await send(`/v1/storage/put/${path}`, { method: "PUT", body: bytes });
    const etag = (put.headers.get("etag") ?? "").replaceAll('"', "");

    await check("a PUT answers with a strong etag", () => {
      expectStored(put);
      expectTrue(etag !== "" && !etag.startsWith("W/"), `the etag is '${etag}'`);
    });
    await check("a GET gives the same bytes", async () => {
      const response = await open(`/v1/storage/get/${path}`);
      expectEqual(response.status, 200);
      expectEqual(sha256(await response.bytes()), sha256(bytes));
    });
    await check("HEAD tells the length without a body", async () => {
      const head = await send(`/v1/storage/get/${path}`, { method: "HEAD" });
      expectStatus(head, 200);
      expectEqual(head.headers.get("etag")?.includes(etag), true);
    });
    await check("a Range is a 206 with exactly those bytes", async () => {
      const response = await open(`/v1/storage/get/${path}`, {
        headers: { range: "bytes=1000-1999" },
      });
      expectEqual(response.status, 206);
      expectEqual(response.headers.get("content-range"), `bytes 1000-1999/${bytes.length}`);
      expectEqual(sha256(await response.bytes()), sha256(bytes.slice(1000, 2000)));
    });
    await check("If-None-Match is a 304, and a PUT with If-None-Match: * over it a 412", async () => {
      const headers = { "if-none-match": `"${etag}"` };
      expectStatus(await send(`/v1/storage/get/${path}`, { headers }), 304);
      const again = { method: "PUT", body: "other", headers: { "if-none-match": "*" } };
      expectError(await send(`/v1/storage/put/${path}`, again), 412, "precondition_failed");
    });
    await check("the list shows it under its prefix", async () => {
      const list = await send(`/v1/storage/list?prefix=${encodeURIComponent(folder)}`);
      expectStatus(list, 200);
      const { objects } = list.body as { objects: { key: string; bytes: number }[] };
      expectEqual(
        objects.map((object) => [object.key, object.bytes]),
        [[key, bytes.length]],
      );
    });
    await check("keys that climb or are empty inside are refused", async () => {
      for (const bad of ["a/..%2Fb", "a%2F%2Fb", "a%00b"]) {
        expectError(await send(`/v1/storage/put/${bad}`, { method: "PUT", body: "x" }), 400, "invalid_key");
      }
    });
    await check("after DELETE it is gone", async () => {
      expectStatus(await send(`/v1/storage/delete/${path}`, { method: "DELETE" }), 204);
      expectError(await send(`/v1/storage/get/${path}`), 404, "not_found");
      expectError(await send(`/v1/storage/delete/${path}`, { method: "DELETE" }), 404, "not_found");
    });
  },
};
