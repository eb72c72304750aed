/** Descriptors: a start with too few of them, and more connections than there may be. Linux alone. */
import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { startProduct } from "../../support/product/product.ts";

const limited = (soft: number, hard: number) => [
  "sh",
  "-c",
  `ulimit -Sn ${soft} && ulimit -Hn ${hard} && exec "$@"`,
  "sh",
];

/** Opens a connection; rejects where none can be made. */
const opened = (url: string): Promise<Socket> => {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname, () => resolve(socket));
  socket.once("error", reject);
  return promise;
};

/** One request on an open connection; the status of its answer. */
const put = async (socket: Socket, key: string): Promise<string> => {
  const { promise, resolve } = Promise.withResolvers<string>();
  socket.once("data", (bytes) => resolve(bytes.toString().slice(9, 12)));
  socket.write(`PUT /v1/storage/put/${key} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello`);
  return promise;
};

test.skipIf(process.platform !== "linux")(
  "a start with too few says how many are needed and how many there are",
  async () => {
    const start = startProduct({ by: limited(128, 128) });
    await expect(start).rejects.toThrow("240 open files are needed for 11 services, and 128 are allowed");
  },
);

test.skipIf(process.platform !== "linux")(
  "a burst of connections leaves room for files: what is connected writes on, and the rest comes later",
  async () => {
    const limit = 512;
    const product = await startProduct({ by: limited(240, limit) });
    const inUse = () => readdirSync(`/proc/${product.pid}/fd`).length;
    const sockets: Socket[] = [];
    try {
      const soft = /^Max open files\s+(\d+)/m.exec(readFileSync(`/proc/${product.pid}/limits`, "utf8"))?.[1];
      expect(Number(soft)).toBe(limit - limit / 4);
      const early = await opened(product.url);
      sockets.push(early);
      expect(await put(early, "before")).toBe("201");
      for (let at = 0; at < 1500; at++) {
        const socket = connect(Number(new URL(product.url).port), "127.0.0.1");
        // Those that the kernel does not hold are refused when the others are closed.
        socket.on("error", () => undefined);
        sockets.push(socket);
      }
      while (!product.log().includes("connections wait")) await Bun.sleep(20);
      for (let at = 0; at < 20; at++) expect(await put(early, `during-${at}`)).toBe("201");
      expect(inUse()).toBeLessThan(limit - 64);
      for (const socket of sockets) socket.destroy();
      while (!product.log().includes("connections are taken again")) await Bun.sleep(20);
      const answer = await fetch(`${product.url}/v1/storage/get/during-19`);
      expect(await answer.text()).toBe("hello");
      expect(product.log()).not.toContain("EMFILE");
    } finally {
      for (const socket of sockets) socket.destroy();
      expect(await product.end()).toBe(0);
    }
  },
);
