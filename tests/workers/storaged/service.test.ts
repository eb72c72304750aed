import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { closeSync, openSync, writeFileSync, writeSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { ServiceError } from "../../../runtime/errors/errors.ts";
import { storaged } from "../../../workers/storaged/contract.ts";
import { createStoraged } from "../../../workers/storaged/service.ts";
import { noise } from "../../conformance/bucket.ts";
import { patientClock } from "../../support/product/patient-clock.ts";
import {
  configWith,
  type InProcess,
  startInProcess,
  temporaryDirectory,
} from "../../support/stacks/in-process.ts";

const MiB = 1024 * 1024;
const bytes = (text: string) => new TextEncoder().encode(text);

describe("storaged", () => {
  const directory = temporaryDirectory("storaged");
  const clock = patientClock();
  let service: InProcess<typeof storaged>;
  let server: ReturnType<typeof Bun.serve>;
  const config = configWith({
    data_dir: directory.path,
    storaged: { max_concurrent_puts: 2, max_put_bytes: 64 * MiB },
    buckets: { primary: { kind: "local" }, cold: { kind: "local" } },
  });
  const start = async () => {
    service = await startInProcess(
      { contract: storaged, create: createStoraged },
      { config, peers: {}, clock },
    );
  };
  beforeAll(async () => {
    await start();
    server = Bun.serve({
      port: 0,
      idleTimeout: 0,
      maxRequestBodySize: Number.MAX_SAFE_INTEGER,
      fetch: (request) => service.send(request),
    });
  });
  afterAll(async () => {
    await server.stop(true);
    await service.stop();
    directory.remove();
  });
  const verbs = () => service.peer.verbs;
  const call = (path: string, init?: RequestInit) => service.peer.fetch(path, init);
  const put = (key: string, body: BodyInit, headers: Record<string, string> = {}) =>
    call(`/storage/put/${key}`, { method: "PUT", body, headers });
  const staging = () => readdir(join(directory.path, "buckets/primary/.lakehouse/staging"));
  const refused = async (work: Promise<unknown>): Promise<ServiceError> => {
    const error = await work.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ServiceError);
    return error as ServiceError;
  };

  test("PUT, GET, HEAD, DELETE", async () => {
    const created = await put("a/b.txt", "hello", { "content-type": "text/plain" });
    expect(created.status).toBe(201);
    const etag = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    expect(created.headers.get("etag")).toBe(`"${etag}"`);
    expect(await created.json()).toMatchObject({
      key: "a/b.txt",
      bytes: 5,
      etag,
      content_type: "text/plain",
    });
    expect((await put("a/b.txt", "hello", { "content-type": "text/plain" })).status).toBe(200);

    const got = await call("/storage/get/a/b.txt");
    expect([got.status, await got.text()]).toEqual([200, "hello"]);
    const expected = {
      etag: `"${etag}"`,
      "content-type": "text/plain",
      "accept-ranges": "bytes",
      "x-content-type-options": "nosniff",
    };
    expect(Object.fromEntries(got.headers)).toMatchObject(expected);
    expect(Date.parse(got.headers.get("last-modified") ?? "")).toBeGreaterThan(Date.now() - 60_000);

    const head = await call("/storage/get/a/b.txt", { method: "HEAD" });
    expect([head.status, await head.text(), head.headers.get("content-length")]).toEqual([200, "", "5"]);
    const part = await call("/storage/get/a/b.txt", { headers: { range: "bytes=1-2" } });
    expect([part.status, await part.text(), part.headers.get("content-range")]).toEqual([
      206,
      "el",
      "bytes 1-2/5",
    ]);
    const known = await call("/storage/get/a/b.txt", { headers: { "if-none-match": `"${etag}"` } });
    expect([known.status, await known.text(), known.headers.get("etag")]).toEqual([304, "", `"${etag}"`]);
    const other = await call("/storage/get/a/b.txt", {
      headers: { range: "bytes=1-2", "if-range": '"other"' },
    });
    expect([other.status, await other.text()]).toEqual([200, "hello"]);
    const lists = await call("/storage/get/a/b.txt", { headers: { range: "bytes=0-1,3-4" } });
    expect([lists.status, await lists.text()]).toEqual([200, "hello"]);

    expect((await call("/storage/delete/a/b.txt", { method: "DELETE" })).status).toBe(204);
    expect((await call("/storage/get/a/b.txt")).status).toBe(404);
  });

  test("name://key and ?bucket= reach the same object", async () => {
    await put("cold://x/y", "far");
    expect(await (await call("/storage/get/x/y?bucket=cold")).text()).toBe("far");
    expect((await call("/storage/get/x/y")).status).toBe(404);
    expect((await verbs().head({ key: "cold://x/y" })).key).toBe("x/y");
    expect(await verbs().buckets({})).toEqual({
      buckets: [
        { name: "primary", kind: "local", conditional_writes: "native" },
        { name: "cold", kind: "local", conditional_writes: "native" },
      ],
    });
  });

  test("a large object goes through unharmed, whole and in part", async () => {
    const large = noise(20 * MiB);
    expect((await fetch(`${server.url}storage/put/large`, { method: "PUT", body: large })).status).toBe(201);
    const back = await (await fetch(`${server.url}storage/get/large`)).bytes();
    expect(Buffer.compare(back, large)).toBe(0);
    const part = await fetch(`${server.url}storage/get/large`, {
      headers: { range: "bytes=1000000-9000000" },
    });
    expect(Buffer.compare(await part.bytes(), large.subarray(1_000_000, 9_000_001))).toBe(0);
  });

  test("an Idempotency-Key gives the first answer again and stores nothing new", async () => {
    const key = { "idempotency-key": "put-once" };
    const first = await (await put("once", "1", key)).json();
    await put("once", "2");
    const again = await put("once", "1", key);
    expect([again.status, await again.json()]).toEqual([201, first]);
    expect(await (await call("/storage/get/once")).text()).toBe("2");
    const other = await put("once", "3", key);
    expect(other.status).toBe(409);
    expect(await other.text()).toContain("idempotency_conflict");
    const gone = { method: "DELETE", headers: { "idempotency-key": "delete-once" } };
    expect((await call("/storage/delete/once", gone)).status).toBe(204);
    expect((await call("/storage/delete/once", gone)).status).toBe(204);
    expect(await staging()).toEqual([]);
  });

  describe("over a socket", () => {
    const raw = (request: string) => {
      const socket = connect(Number(server.port), "127.0.0.1");
      let answer = "";
      const closed = Promise.withResolvers<string>();
      const answered = Promise.withResolvers<string>();
      socket.on("data", (chunk) => {
        answer += chunk.toString();
        answered.resolve(answer);
      });
      socket.on("close", () => closed.resolve(answer));
      socket.on("error", () => closed.resolve(answer));
      socket.write(request);
      return { socket, closed: closed.promise, answered: answered.promise };
    };
    const header = (key: string, length: number | "chunked") =>
      `PUT /storage/put/${key} HTTP/1.1\r\nHost: localhost\r\n${length === "chunked" ? "Transfer-Encoding: chunked" : `Content-Length: ${length}`}\r\n\r\n`;
    const untilStaged = async (count: number) => {
      while ((await staging()).length !== count) await Bun.sleep(2);
    };
    beforeEach(() => untilStaged(0));

    test("a body that is too large is refused before it is sent", async () => {
      const { answered, socket } = raw(header("large/announced", 65 * MiB));
      expect(await answered).toStartWith("HTTP/1.1 413");
      socket.destroy();
    });

    test.each(["announced", "chunked"] as const)(
      "a client that leaves in mid-body (%s) stores nothing",
      async (how) => {
        const body =
          how === "chunked" ? `${(1000).toString(16)}\r\n${"x".repeat(1000)}\r\n` : "x".repeat(1000);
        const { socket } = raw(header("left", how === "chunked" ? how : 5000) + body);
        await untilStaged(1);
        socket.destroy();
        await untilStaged(0);
        expect((await call("/storage/get/left")).status).toBe(404);
      },
    );

    test("a client that falls silent gets an error after idle_timeout_ms", async () => {
      const { answered, socket } = raw(`${header("silent", 5000)}some`);
      await untilStaged(1);
      let over = false;
      const settled = answered.finally(() => {
        over = true;
      });
      // What was sent may still be on its way to the reader, whose wait begins anew with it.
      for (; !over; clock.pass()) await Bun.sleep(1);
      const answer = await settled;
      expect(answer).toStartWith("HTTP/1.1 408");
      expect(answer).toContain("no bytes of the body came for 600000 ms");
      socket.destroy();
      await untilStaged(0);
    });

    test("more than max_concurrent_puts is a 503 with Retry-After, and room comes back", async () => {
      const open = [raw(`${header("slow/1", 10)}12345`), raw(`${header("slow/2", 10)}12345`)];
      await untilStaged(2);
      const refusedPut = await put("slow/3", "x");
      expect(refusedPut.status).toBe(503);
      expect(refusedPut.headers.get("retry-after")).toBe("1");
      expect(await refusedPut.text()).toContain("overloaded");
      expect((await call("/storage/get/slow/3")).status).toBe(404);
      for (const { socket } of open) socket.write("67890");
      for (const { answered } of open) expect(await answered).toStartWith("HTTP/1.1 201");
      for (const { socket } of open) socket.destroy();
      expect((await put("slow/3", "x")).status).toBe(201);
    });

    test("an object that turns out corrupt in mid-stream resets the connection", async () => {
      // Larger than what the server and the two sockets hold between them, so that its end is still unread below.
      const bytes = 64 * MiB;
      await put("rotten", noise(bytes));
      const path = join(directory.path, "buckets/primary/rotten");
      const last = Buffer.from(
        await Bun.file(path)
          .slice(bytes - 1)
          .bytes(),
      );
      const location = await verbs().locate({ key: "rotten" });
      expect(location.kind).toBe("local");
      const response = fetch(`${server.url}storage/get/rotten`);
      const reader = (await response).body?.getReader();
      await reader?.read();
      // Overwritten in place while it is read: its bytes change under an open reader.
      const descriptor = openSync(path, "r+");
      writeSync(descriptor, Buffer.from([(last[0] ?? 0) ^ 1]), 0, 1, bytes - 1);
      closeSync(descriptor);
      const rest = (async () => {
        for (let next = await reader?.read(); next && !next.done; next = await reader?.read()) {}
      })();
      expect(rest).rejects.toThrow();
      await rest.catch(() => undefined);
      const { errors } = await verbs().errors({ page_size: 10 });
      expect(errors.find(({ key }) => key === "rotten")).toMatchObject({ operation: "get", type: "corrupt" });
      expect(service.running.notReady?.().join()).toContain("'rotten' is corrupt");
      await call("/storage/delete/rotten", { method: "DELETE" });
      expect(service.running.notReady?.()).toEqual([]);
    });
  });

  describe("between services", () => {
    test("read, write, head, erase", async () => {
      const info = await verbs().write({ key: "w", bytes: bytes("abc"), if_none_match: "*" });
      expect(await verbs().read({ key: "w" })).toEqual({ info, bytes: Buffer.from("abc") });
      expect(await verbs().head({ key: "w" })).toEqual(info);
      expect((await refused(verbs().write({ key: "w", bytes: bytes("d"), if_none_match: "*" }))).type).toBe(
        "precondition_failed",
      );
      await verbs().write({ key: "w", bytes: bytes("d"), if_match: info.etag });
      expect(await verbs().erase({ key: "w" })).toEqual({ deleted: true });
      expect(await verbs().erase({ key: "w" })).toEqual({ deleted: false });
      expect((await refused(verbs().read({ key: "w" }))).type).toBe("not_found");
    });

    test("looking for what is not there is no failure for the journal", async () => {
      const before = await verbs().errors({});
      await refused(verbs().head({ key: "looked/for" }));
      await refused(verbs().read({ key: "looked/for" }));
      expect(await verbs().errors({})).toEqual(before);
    });

    test("stage and commit make a file the object", async () => {
      const { token, path = "" } = await verbs().stage({});
      writeFileSync(path, "staged");
      const info = await verbs().commit({ token, key: "datasets/a.parquet", if_none_match: "*" });
      expect(info.bytes).toBe(6);
      expect(await (await call("/storage/get/datasets/a.parquet")).text()).toBe("staged");
      expect(await verbs().head({ key: "datasets/a.parquet" })).toEqual(info);
      expect((await refused(verbs().commit({ token, key: "datasets/b" }))).type).toBe("not_found");
      expect(await staging()).toEqual([]);
    });

    test("a sealed file is committed as it was sealed, and as it is when it was changed since", async () => {
      const sha256 = (text: string) => new Bun.CryptoHasher("sha256").update(text).digest("hex");
      const seal = async (key: string, change: (path: string) => void) => {
        const { token, path = "" } = await verbs().stage({});
        writeFileSync(path, "sealed");
        const sealed = await verbs().seal({ token });
        change(path);
        return { sealed, info: await verbs().commit({ token, key }) };
      };
      const kept = await seal("sealed/kept", () => {});
      expect(kept.sealed).toEqual({ sha256: sha256("sealed"), bytes: 6 });
      expect(kept.info).toMatchObject({ etag: sha256("sealed"), bytes: 6 });
      const changed = await seal("sealed/changed", (path) => writeFileSync(path, "change"));
      expect(changed.info.etag).toBe(sha256("change"));
      expect(Buffer.from((await verbs().read({ key: "sealed/changed" })).bytes).toString()).toBe("change");
    });

    test("what stage did not hand out is not sealed", async () => {
      const gone = await verbs().stage({});
      await verbs().discard({ token: gone.token });
      for (const token of ["", "unknown", gone.token])
        expect((await refused(verbs().seal({ token }))).type).toBe("not_found");
      const { token, path = "" } = await verbs().stage({});
      await Bun.spawn(["ln", "-sf", "/etc/passwd", path]).exited;
      expect((await refused(verbs().seal({ token }))).message).toContain("no longer a plain file");
      await verbs().discard({ token });
    });

    test("a file that a program put in place by a rename is committed too", async () => {
      const { token, path = "" } = await verbs().stage({});
      writeFileSync(`${path}.tmp`, "renamed");
      await Bun.spawn(["mv", `${path}.tmp`, path]).exited;
      expect((await verbs().commit({ token, key: "renamed" })).bytes).toBe(7);
    });

    test("what stage did not hand out is not committed", async () => {
      for (const token of ["", "unknown", "../../../etc/passwd"]) {
        expect((await refused(verbs().commit({ token, key: "x" }))).type).toBe("not_found");
      }
      const { token, path = "" } = await verbs().stage({});
      await Bun.spawn(["ln", "-sf", "/etc/passwd", path]).exited;
      const linked = await refused(verbs().commit({ token, key: "x" }));
      expect(linked.message).toContain("no longer a plain file");
      const other = await verbs().stage({ bucket: "cold" });
      expect((await refused(verbs().commit({ token: other.token, key: "x" }))).type).toBe("bad_request");
      expect((await refused(verbs().head({ key: "x" }))).type).toBe("not_found");
    });

    test("a refused commit keeps the old object and leaves nothing", async () => {
      await verbs().write({ key: "kept", bytes: bytes("kept") });
      const { token, path = "" } = await verbs().stage({});
      writeFileSync(path, "other");
      const error = await refused(verbs().commit({ token, key: "kept", if_none_match: "*" }));
      expect(error.type).toBe("precondition_failed");
      expect(Buffer.from((await verbs().read({ key: "kept" })).bytes).toString()).toBe("kept");
      const given = await verbs().stage({});
      await verbs().discard({ token: given.token });
      await verbs().discard({ token: given.token });
      expect((await refused(verbs().commit({ token: given.token, key: "y" }))).type).toBe("not_found");
      expect(await staging()).toEqual([]);
    });
  });

  test("a restart keeps objects and journal, and empties the staging", async () => {
    await verbs().write({ key: "over/restart", bytes: bytes("restart") });
    await call("/storage/get/not/there");
    await verbs().stage({});
    const before = await verbs().errors({ page_size: 1000 });
    await service.stop();
    await start();
    expect(await verbs().errors({ page_size: 1000 })).toEqual(before);
    expect(await (await call("/storage/get/over/restart")).text()).toBe("restart");
    expect(await staging()).toEqual([]);
  });
});
