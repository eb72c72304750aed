/** The product in a process whose services can be ended one by one; see tests/fixtures/runtime/killable-product.ts. */
import type { ServiceStatus } from "../../../runtime/service/declaration.ts";

export interface Figures {
  threads: number;
  resident_mb: number;
}

export interface Killable {
  /** The gateway's address. */
  url: string;
  /** One question at a time: the answer is the next message. */
  status: (name: string) => Promise<ServiceStatus | undefined>;
  figures: () => Promise<Figures>;
  kill: (name: string) => void;
  /** Resolves when the service is ready with more restarts than `before`. */
  restarted: (name: string, before: number) => Promise<void>;
  /** Drains and ends it; its exit code. */
  stop: () => Promise<number>;
}

interface Told {
  status?: ServiceStatus[];
  figures?: Figures;
}

/** Starts it. Every question rejects when the process ends: it never should. */
export async function startKillable(): Promise<Killable> {
  const broken = Promise.withResolvers<never>();
  broken.promise.catch(() => {});
  let heard = Promise.withResolvers<Told>();
  let stopping = false;
  const child = Bun.spawn(
    [process.execPath, new URL("../../fixtures/runtime/killable-product.ts", import.meta.url).pathname],
    {
      env: { ...process.env, UV_THREADPOOL_SIZE: "16" },
      stdout: "ignore",
      stderr: "ignore",
      ipc: (message: Told) => heard.resolve(message),
    },
  );
  void child.exited.then((code) => {
    if (!stopping) broken.reject(new Error(`the process ended with ${code} (${child.signalCode})`));
  });

  const ask = (message: string): Promise<Told> => {
    heard = Promise.withResolvers<Told>();
    child.send(message);
    return Promise.race([heard.promise, broken.promise]);
  };
  const greeting = await Promise.race([heard.promise, broken.promise]);
  const status = async (name: string) =>
    (await ask("status")).status?.find((service) => service.name === name);
  return {
    url: greeting.status?.find(({ name }) => name === "gateway")?.address ?? "",
    status,
    figures: async () => (await ask("figures")).figures ?? { threads: 0, resident_mb: 0 },
    kill: (name) => child.send(`kill ${name}`),
    restarted: async (name, before) => {
      for (;;) {
        const now = await status(name);
        if (now?.state === "ready" && now.restarts > before) return;
        await Bun.sleep(5);
      }
    },
    stop: () => {
      stopping = true;
      child.send("stop");
      return child.exited;
    },
  };
}
