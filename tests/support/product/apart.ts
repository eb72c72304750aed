/** Every service in a process of its own on this host, as units of an operator would run them. */
import { mkdirSync } from "node:fs";
import { topology } from "../../../runtime/topology.ts";
import { ownAddress } from "./addresses.ts";
import { type Product, startProduct } from "./product.ts";
import { isStopped } from "./sigstop.ts";

export const apartNames = Object.keys(topology);

export interface Apart {
  /** The gateway's. */
  url: string;
  /** Ends one process, or holds it: `SIGSTOP`. */
  send: (name: string, signal: "SIGTERM" | "SIGKILL" | "SIGSTOP") => Promise<void>;
  /** Starts it again, on its address and directory; or lets it go on. */
  start: (name: string) => Promise<void>;
  end: () => Promise<void>;
}

/** Starts them, all at once: none needs another to be there first. */
export async function startApart(
  directory: string,
  env: Record<string, string>,
  flags: readonly string[] = [],
): Promise<Apart> {
  const binds = Object.fromEntries(apartNames.map((name) => [`LH_${name.toUpperCase()}_BIND`, ownAddress()]));
  const running = new Map<string, Product>();
  const held = new Set<string>();
  const start = async (name: string) => {
    const product = running.get(name);
    if (product && held.delete(name)) {
      process.kill(product.pid, "SIGCONT");
      return;
    }
    const dataDir = `${directory}/${name}`;
    mkdirSync(dataDir, { recursive: true });
    const shared = { ...binds, ...env, LH_DATA_DIR: `${directory}/data` };
    running.set(name, await startProduct({ dataDir, env: shared, flags: ["--only", name, ...flags] }));
  };
  const end = async () => {
    for (const name of held) process.kill(running.get(name)?.pid ?? 0, "SIGCONT");
    await Promise.all([...running.values()].map((product) => product.end("SIGKILL")));
  };
  try {
    await Promise.all(apartNames.map(start));
  } catch (cause) {
    await end();
    throw cause;
  }
  return {
    url: `http://${binds.LH_GATEWAY_BIND}`,
    start,
    end,
    send: async (name, signal) => {
      const product = running.get(name);
      if (!product) throw new Error(`${name} does not run`);
      if (signal !== "SIGSTOP") {
        await product.end(signal);
        running.delete(name);
        return;
      }
      process.kill(product.pid, "SIGSTOP");
      held.add(name);
      while (!isStopped(product.pid)) await Bun.sleep(1);
    },
  };
}
