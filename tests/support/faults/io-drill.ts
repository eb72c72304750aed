/** One fault at a time in a running product: what is written must be there or be refused by name, and work goes on. */
import { topology } from "../../../runtime/topology.ts";
import {
  damageOf,
  Ledger,
  questions,
  type TrackedWrite,
  trackedWrites,
  unanswered,
} from "../durability/tracked-writes.ts";
import { type Call, type Errno, startFaulty } from "./io-faults.ts";

const services = Object.keys(topology).filter((name) => name !== "gateway");

/** What a fault of the disk or a lack of descriptors may be answered by. */
const named: Readonly<Record<string, RegExp>> = {
  storage_full: /E[A-Z]+|SQLITE_/,
  overloaded: /E[A-Z]+|SQLITE_/,
  corrupt: /./,
  unavailable: /./,
};

/** What each call fails by in earnest. */
const usualErrnos: Record<Call, readonly Errno[]> = {
  write: ["EIO", "ENOSPC"],
  fsync: ["EIO", "ENOSPC"],
  open: ["EMFILE", "EIO", "ENOSPC"],
  read: ["EIO"],
  rename: ["EIO", "ENOSPC"],
  link: ["EIO", "ENOSPC"],
  unlink: ["EIO"],
  mkdir: ["EIO", "ENOSPC"],
  truncate: ["EIO"],
};

export interface Drill {
  outcomes: { wrong: string[]; faults: number; acknowledged: number; refused: number; answered: number };
  /** Does one thing with one of its calls failing; tells which. */
  fail: (fault: SpotFault) => Promise<string>;
  /** What there is to fail: each thing with the calls that it made when nothing failed. */
  spots: (kinds: readonly Call[]) => Promise<Spot[]>;
  /** Ends the product, starts it again and compares what is there with what was acknowledged. */
  restart: (signal: NodeJS.Signals) => Promise<void>;
  end: () => Promise<void>;
}

/** Something that is done and makes so many calls of a kind. */
export interface Spot {
  thing: string;
  call: Call;
  most: number;
}

export interface SpotFault extends Spot {
  errno: Errno;
  /** Which of its calls, from 1. */
  nth: number;
  /** 1, or 0: all further ones too. */
  times: number;
}

const errnosOf = (call: Call, only: Errno | undefined) => (only === undefined ? usualErrnos[call] : [only]);

/** One of the faults that a spot can have; `only` names the one errno. */
export function anyFault(spot: Spot, random: () => number, only?: Errno): SpotFault {
  const errnos = errnosOf(spot.call, only);
  const errno = errnos[Math.floor(random() * errnos.length)] as Errno;
  const nth = 1 + Math.floor(random() * spot.most);
  return { ...spot, errno, nth, times: random() < 0.7 ? 1 : 0 };
}

/** Each call of each spot, failing once by each of its errnos: all calls once, then by another errno those that have one. */
export function everyFault(spots: readonly Spot[], only?: Errno): SpotFault[] {
  const rounds = Math.max(...spots.map(({ call }) => errnosOf(call, only).length));
  const sites = spots.flatMap((spot) =>
    Array.from({ length: spot.most }, (_, at) => ({ spot, nth: at + 1 })),
  );
  return Array.from({ length: rounds }, (_, round) =>
    sites.flatMap(({ spot, nth }) => {
      const errnos = errnosOf(spot.call, only);
      const errno = round < errnos.length && errnos[(nth + round) % errnos.length];
      return errno ? [{ ...spot, errno, nth, times: 1 }] : [];
    }),
  ).flat();
}

/** `only` names the one kind of deed or question. */
export async function createDrill(
  dataDir: string,
  { only, env = {} }: { only?: string | undefined; env?: Record<string, string> } = {},
): Promise<Drill> {
  let { product, faults } = await startFaulty({ dataDir, env });
  const ledger = new Ledger();
  const outcomes: Drill["outcomes"] = { wrong: [], faults: 0, acknowledged: 0, refused: 0, answered: 0 };
  let next = 1;
  let logged = 0;
  /** With what the product logged since the last one. */
  const wrong = (text: string) => {
    const log = product.log();
    const lines = log.slice(logged).split("\n");
    logged = log.length;
    const said = lines.filter((line) => /"level":"(warn|error)"/.test(line)).slice(-4);
    outcomes.wrong.push([text, ...said].map((line) => line.slice(0, 2500)).join("\n  "));
  };

  const start = async () => {
    ({ product, faults } = await startFaulty({ dataDir, env }));
    logged = 0;
  };
  for (const tracked of trackedWrites) await tracked.prepare?.(product.url);
  const things = [
    ...trackedWrites.map((tracked) => ({ name: tracked.name, tracked })),
    ...questions.map((question) => ({ name: question.name, question })),
  ].filter(({ name }) => only === undefined || only === name);

  /** Whether it was acknowledged; an answer that names nothing is wrong. */
  const attempt = async (tracked: TrackedWrite, n: number, what: string): Promise<boolean> => {
    const answer = await tracked.act(product.url, n);
    const text = await answer.text();
    if (answer.ok) return true;
    refused(text, `${tracked.name} ${n} ${what}: ${answer.status}`);
    return false;
  };
  const refused = (text: string, what: string) => {
    const { type = "", message = "" } =
      (JSON.parse(text) as { error?: { type: string; message: string } }).error ?? {};
    if (!named[type]?.test(message)) wrong(`${what} ${text}`);
  };
  const doOne = async (thing: (typeof things)[number], what: string): Promise<void> => {
    if ("tracked" in thing) {
      const n = next++;
      const isDone = await attempt(thing.tracked, n, what);
      ledger.note(thing.tracked, n, isDone);
      outcomes[isDone ? "acknowledged" : "refused"] += 1;
      return;
    }
    const { ask, status, name } = thing.question;
    const answer = await ask(product.url);
    const text = await answer
      .text()
      .catch((cause: Error) => `{"error":{"type":"corrupt","message":"${cause.message}"}}`);
    outcomes.answered += 1;
    if (answer.status !== status && name !== "readiness") refused(text, `${name} ${what}: ${answer.status}`);
  };

  const check = async () => {
    outcomes.wrong.push(...(await ledger.faults(product.url)));
    outcomes.wrong.push(...(await damageOf(product.url, services)));
    outcomes.wrong.push(...(await unanswered(product.url)));
  };
  // The first of each, as the questions want them.
  for (const tracked of trackedWrites) ledger.note(tracked, 0, await attempt(tracked, 0, "without a fault"));

  return {
    outcomes,
    spots: async (kinds) => {
      const spots: Spot[] = [];
      for (const thing of things) {
        const counts = await faults.count(() => doOne(thing, "without a fault"));
        for (const call of kinds) {
          const most = counts.get(call) ?? 0;
          if (most > 0) spots.push({ thing: thing.name, call, most });
        }
      }
      return spots;
    },
    fail: async ({ thing: name, call, most, errno, nth, times }) => {
      const thing = things.find((one) => one.name === name) as (typeof things)[number];
      const what = `with ${call} ${nth}${times === 0 ? " and all further" : ""} of ${most} failing by ${errno}`;
      await faults.arm({ call, errno, nth, times });
      await doOne(thing, what).catch((cause) => wrong(`${name} ${what}: ${cause}`));
      const { failed, last } = await faults.clear();
      if (failed > 0) outcomes.faults += 1;
      const before = outcomes.refused;
      await doOne(thing, `after it ran ${what} (${last})`);
      if (outcomes.refused > before) wrong(`${name} did not go on after it ran ${what} (${last})`);
      return `${name} ${what}`;
    },
    restart: async (signal) => {
      await check();
      await product.end(signal);
      await start();
      await check();
    },
    end: async () => {
      await faults.clear();
      const code = await product.end();
      if (code !== 0) wrong(`the product ended with ${code}: ${product.log().slice(-600)}`);
    },
  };
}
