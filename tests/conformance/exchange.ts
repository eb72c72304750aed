/** What `Peer.fetch` must do alike over a socket and over a port: one suite, the meaning of HTTP. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Peer } from "../../runtime/contract/endpoints.ts";

type Fetch = Peer<never>["fetch"];

export interface Reached {
  fetch: Fetch;
  stop: () => Promise<void> | void;
}

/** The service of the suite, and what it noticed. */
export interface Subject {
  answer: (request: Request) => Promise<Response>;
  noticed: string[];
  /** Bytes that the endless answer has made, and that the slow reader has read. */
  made: () => number;
  read: () => number;
}

const piece = 64 * 1024;

export function createSubject(): Subject {
  const noticed: string[] = [];
  let made = 0;
  let read = 0;
  const endless = () =>
    new ReadableStream<Uint8Array>({
      pull: (controller) => {
        made += piece;
        controller.enqueue(new Uint8Array(piece));
      },
      cancel: () => void noticed.push("answer cancelled"),
    });
  const broken = (chunks: number) => {
    let left = chunks;
    return new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        await Bun.sleep(1);
        if (left-- > 0) controller.enqueue(new Uint8Array(piece));
        else controller.error(new Error("the rows ended early"));
      },
    });
  };
  const answers: Record<string, (request: Request) => Promise<Response> | Response> = {
    "/echo": async (request) =>
      new Response(await request.bytes(), {
        status: 201,
        headers: { "x-method": request.method, "x-given": request.headers.get("x-given") ?? "" },
      }),
    "/length": async (request) => Response.json({ bytes: (await request.bytes()).length }),
    "/type": (request) => new Response(request.headers.get("content-type")),
    "/query": (request) => new Response(request.url.slice(request.url.indexOf("/query"))),
    "/nothing": () => new Response(null, { status: 204 }),
    "/known": () => new Response(null, { status: 304, headers: { etag: '"1"' } }),
    "/sized": () => new Response(null, { headers: { "content-length": "77" } }),
    "/pieces": () => new Response(new Blob([new Uint8Array(3_000_000).fill(9)]).stream()),
    "/endless": () => new Response(endless()),
    "/broken": () => new Response(broken(40)),
    "/wait": (request) =>
      new Promise((resolve) => {
        noticed.push("waiting");
        request.signal.addEventListener("abort", () => {
          noticed.push("request aborted");
          resolve(new Response(null));
        });
      }),
    "/refuse": () => Response.json({ error: { type: "too_large" } }, { status: 413 }),
    "/slow": async (request) => {
      for await (const chunk of request.body ?? []) {
        read += chunk.length;
        await Bun.sleep(1);
      }
      return new Response(String(read));
    },
    "/heard": async (request) => {
      noticed.push("heard");
      return new Response(String((await request.bytes()).length));
    },
    "/upload": async (request) => {
      try {
        await request.bytes();
        noticed.push("upload whole");
      } catch {
        noticed.push("upload broken");
      }
      return new Response("done");
    },
  };
  return {
    noticed,
    made: () => made,
    read: () => read,
    answer: async (request) => {
      const path = new URL(request.url).pathname;
      return (await answers[path]?.(request)) ?? new Response("nothing here", { status: 404 });
    },
  };
}

const until = async (condition: () => boolean) => {
  while (!condition()) await Bun.sleep(1);
};

/** Registers the suite for one way to reach the subject. */
export function testExchange(name: string, reach: (subject: Subject) => Promise<Reached>): void {
  describe(`exchange over a ${name}`, () => {
    const subject = createSubject();
    let fetch: Fetch;
    let stop: Reached["stop"];
    beforeAll(async () => {
      ({ fetch, stop } = await reach(subject));
    });
    afterAll(() => stop());
    wholeBodies(() => fetch);
    streams(() => fetch, subject);
    endings(() => fetch, subject);
  });
}

function wholeBodies(fetch: () => Fetch): void {
  const bodies: [name: string, body: () => BodyInit, length: number][] = [
    ["text", () => "päper", 6],
    ["nothing", () => "", 0],
    ["bytes", () => new Uint8Array(100_000).fill(3), 100_000],
    ["a file's bytes", () => new Blob([new Uint8Array(2_500_000)]), 2_500_000],
    ["a stream", () => new Blob([new Uint8Array(2_500_000)]).stream(), 2_500_000],
    ["an empty stream", () => new Blob([]).stream(), 0],
  ];
  for (const [what, body, length] of bodies) {
    test(`carries ${what} there and back`, async () => {
      const init = { method: "POST", body: body(), headers: { "x-given": "yes" }, duplex: "half" };
      const response = await fetch()("/echo", init as RequestInit);
      expect(response.status).toBe(201);
      expect(response.headers.get("x-method")).toBe("POST");
      expect(response.headers.get("x-given")).toBe("yes");
      expect((await response.bytes()).length).toBe(length);
    });
  }
  test("keeps path, query and the type of the body", async () => {
    expect(await (await fetch()("/query?a=%2F&b=c%20d")).text()).toBe("/query?a=%2F&b=c%20d");
    const sent = { method: "POST", body: new Blob(["a"], { type: "text/csv" }) };
    expect(await (await fetch()("/type", sent)).text()).toStartWith("text/csv");
  });
  test("answers without a body keep their status and headers", async () => {
    const [nothing, known, sized, lost] = await Promise.all(
      ["/nothing", "/known", "/sized", "/elsewhere"].map((path) =>
        fetch()(path, { method: path === "/sized" ? "HEAD" : "GET" }),
      ),
    );
    expect([nothing?.status, known?.status, lost?.status]).toEqual([204, 304, 404]);
    expect(known?.headers.get("etag")).toBe('"1"');
    expect(sized?.headers.get("content-length")).toBe("77");
    expect(await nothing?.text()).toBe("");
  });
  test("many at once each get their own answer", async () => {
    const lengths = Array.from({ length: 100 }, (_, at) => at * 997);
    const answers = await Promise.all(
      lengths.map(async (length) => {
        const response = await fetch()("/length", { method: "POST", body: new Uint8Array(length) });
        return ((await response.json()) as { bytes: number }).bytes;
      }),
    );
    expect(answers).toEqual(lengths);
  });
}

function streams(fetch: () => Fetch, subject: Subject): void {
  test("a large answer arrives whole", async () => {
    const bytes = await (await fetch()("/pieces")).bytes();
    expect(bytes.length).toBe(3_000_000);
    expect(bytes.every((byte) => byte === 9)).toBe(true);
  });
  test("an answer that nobody reads is not made, and one that nobody wants is cancelled", async () => {
    const response = await fetch()("/endless");
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    await reader.read();
    await Bun.sleep(50);
    // Sockets buffer a few megabytes beside our own window.
    expect(subject.made()).toBeLessThan(32 * 1024 * 1024);
    await reader.cancel();
    await until(() => subject.noticed.includes("answer cancelled"));
  });
  test("a request is heard of before its body begins", async () => {
    const begun = Promise.withResolvers<void>();
    const body = new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        await begun.promise;
        controller.enqueue(new Uint8Array(piece));
        controller.close();
      },
    });
    const init = { method: "POST", body, duplex: "half" };
    const answer = fetch()("/heard", init as RequestInit);
    await until(() => subject.noticed.includes("heard"));
    begun.resolve();
    expect(await (await answer).text()).toBe(String(piece));
  });
  test("a body that is read slowly is sent slowly", async () => {
    let sent = 0;
    const total = 512 * piece;
    let farthest = 0;
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        farthest = Math.max(farthest, sent - subject.read());
        if (sent === total) return controller.close();
        sent += piece;
        controller.enqueue(new Uint8Array(piece));
      },
    });
    const init = { method: "POST", body, duplex: "half" };
    const response = await fetch()("/slow", init as RequestInit);
    expect(await response.text()).toBe(String(total));
    expect(farthest).toBeLessThan(total / 2);
  });
}

function endings(fetch: () => Fetch, subject: Subject): void {
  const failure = (work: Promise<unknown>) =>
    work.then(
      () => undefined,
      (error: unknown) => error,
    );
  test("an answer that breaks off is an error, never an end", async () => {
    const response = await fetch()("/broken");
    expect(response.status).toBe(200);
    expect(await failure(response.bytes())).toBeDefined();
  });
  test("an answer may come before the body was read", async () => {
    const body = new Blob([new Uint8Array(8 * 1024 * 1024)]).stream();
    const response = await fetch()("/refuse", { method: "POST", body, duplex: "half" } as RequestInit);
    expect(response.status).toBe(413);
    expect(await response.json()).toEqual({ error: { type: "too_large" } });
  });
  test("a caller that goes away is noticed", async () => {
    const controller = new AbortController();
    const waiting = failure(fetch()("/wait", { signal: controller.signal }));
    await until(() => subject.noticed.includes("waiting"));
    controller.abort();
    expect(await waiting).toBeDefined();
    await until(() => subject.noticed.includes("request aborted"));
  });
  test("a caller that was away before it began is not served", async () => {
    const before = subject.noticed.length;
    expect(await failure(fetch()("/wait", { signal: AbortSignal.abort() }))).toBeDefined();
    expect(subject.noticed.length).toBe(before);
  });
  test("an upload that breaks off is not taken for a whole one", async () => {
    let left = 3;
    const body = new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        await Bun.sleep(1);
        if (left-- > 0) controller.enqueue(new Uint8Array(piece));
        else controller.error(new Error("the disk went away"));
      },
    });
    const init = { method: "POST", body, duplex: "half" };
    await failure(fetch()("/upload", init as RequestInit));
    await until(() => subject.noticed.some((what) => what.startsWith("upload")));
    expect(subject.noticed).not.toContain("upload whole");
  });
}
