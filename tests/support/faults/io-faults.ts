/** The product with calls on its files that fail when they are told to: io-faults.c, built where there is a C compiler. */
import { connect } from "node:net";
import { join } from "node:path";
import { type Product, type ProductOptions, startProduct } from "../product/product.ts";
import { temporaryDirectory } from "../stacks/in-process.ts";

export const calls = [
  "write",
  "fsync",
  "open",
  "read",
  "rename",
  "link",
  "unlink",
  "mkdir",
  "truncate",
] as const;
export type Call = (typeof calls)[number];
export type Errno =
  | "EIO"
  | "ENOSPC"
  | "EMFILE"
  | "ENFILE"
  | "EDQUOT"
  | "EROFS"
  | "EACCES"
  | "ENOMEM"
  | "ESTALE";

export interface Fault {
  call: Call;
  errno: Errno;
  /** The n-th call from now on, from 1. */
  nth: number;
  /** How many from there on; 0: all until it is over. */
  times?: number;
}

export interface Seen {
  /** Calls of that kind since the fault was armed. */
  seen: number;
  failed: number;
  /** The last that failed, with its path. */
  last: string;
}

export interface Faults {
  /** How many calls of each kind the work makes. */
  count: (work: () => Promise<unknown>) => Promise<Map<Call, number>>;
  arm: (fault: Fault) => Promise<Seen>;
  /** Nothing fails any more. */
  clear: () => Promise<Seen>;
}

const source = join(import.meta.dir, "io-faults.c");
const workshop = temporaryDirectory("io-faults");
process.on("exit", workshop.remove);

/** The program, or why there is none here. */
export const shim: { program?: string; lacks?: string } = build();

function build(): { program?: string; lacks?: string } {
  if (process.platform !== "linux") return { lacks: "only Linux has seccomp" };
  const program = join(workshop.path, "io-faults");
  try {
    const { exitCode, stderr } = Bun.spawnSync(["cc", "-O2", "-o", program, source], { stderr: "pipe" });
    if (exitCode !== 0) return { lacks: `cc: ${stderr.toString().slice(0, 300)}` };
  } catch {
    return { lacks: "there is no C compiler (cc)" };
  }
  // A container may forbid what the program asks the kernel for.
  const tried = Bun.spawnSync([program, join(workshop.path, "try"), workshop.path, "true"], {
    stderr: "pipe",
  });
  return tried.exitCode === 0 ? { program } : { lacks: tried.stderr.toString().trim() };
}

let started = 0;

/** Starts the product so that calls below `dataDir` can fail. Needs the shim. */
export async function startFaulty(
  options: ProductOptions & { dataDir: string },
): Promise<{ product: Product; faults: Faults }> {
  const control = join(workshop.path, `control-${started++}`);
  const by = [shim.program ?? "io-faults", control, options.dataDir];
  const product = await startProduct({ ...options, by });
  const socket = connect(control);
  await new Promise<void>((resolve, reject) => socket.once("connect", resolve).once("error", reject));
  const ask = (line: string) =>
    new Promise<string>((resolve) => {
      let answer = "";
      const take = (text: Buffer) => {
        answer += text.toString();
        if (!answer.endsWith("\n")) return;
        socket.off("data", take);
        resolve(answer.trim());
      };
      socket.on("data", take);
      socket.write(`${line}\n`);
    });
  const seen = async (line: string): Promise<Seen> => {
    const [seen, failed, ...last] = (await ask(line)).split(" ");
    return { seen: Number(seen), failed: Number(failed), last: last.join(" ") };
  };
  const count = async (work: () => Promise<unknown>) => {
    await ask("count");
    await work();
    const counts = new Map<Call, number>();
    for (const [, call, number] of (await ask("counts")).matchAll(/(\w+)=(\d+)/g))
      counts.set(call as Call, (counts.get(call as Call) ?? 0) + Number(number));
    await ask("clear");
    return counts;
  };
  return {
    product: { ...product, end: (signal) => product.end(signal).finally(() => socket.destroy()) },
    faults: {
      arm: ({ call, errno, nth, times = 1 }) => seen(`arm ${call} ${errno} ${nth} ${times}`),
      clear: () => seen("clear"),
      count,
    },
  };
}
