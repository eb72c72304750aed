/** Writes while a process is killed, and what has become of each: by what was answered, and by sending it again. */
import { type CountedWrite, countedWrites } from "./counted-writes.ts";

export interface Lake {
  url: () => string;
  /** Kills, and starts again. */
  kill: () => Promise<void>;
}

export interface KillOutcomes {
  writes: number;
  /** First answers by status; 0 where the connection broke. */
  answers: Record<string, number>;
  /** Of a first answer by its type that were there afterwards. */
  doneAfter: Record<string, number>;
  /** Sent again with the same key after the kill, by status. */
  again: Record<string, number>;
  /** Keyed writes whose outcome stays unknown, by kind. */
  unknown: Record<string, number>;
  doubled: number;
  lost: number;
  wrong: string[];
}

export const noOutcomes = (): KillOutcomes => ({
  writes: 0,
  answers: {},
  doneAfter: {},
  again: {},
  unknown: {},
  doubled: 0,
  lost: 0,
  wrong: [],
});

interface Sent {
  write: CountedWrite;
  n: number;
  key?: string;
  status: number;
  type: string;
  text: string;
}

const add = (counts: Record<string, number>, name: string | number) => {
  counts[name] = (counts[name] ?? 0) + 1;
};

async function send({ write, n, key }: Pick<Sent, "write" | "n" | "key">, url: string): Promise<Sent> {
  const about = { write, n, ...(key !== undefined && { key }) };
  try {
    const answer = await write.act(url, n, key === undefined ? {} : { "idempotency-key": key });
    const text = await answer.text();
    const type = answer.ok ? "ok" : ((JSON.parse(text) as { error: { type: string } }).error.type ?? "");
    return { ...about, status: answer.status, type, text };
  } catch {
    return { ...about, status: 0, type: "broken", text: "" };
  }
}

/** A service that starts says 503 until it is there. */
async function patiently<T>(work: () => Promise<T>, isOver: (value: T) => boolean): Promise<T> {
  for (;;) {
    const value = await work();
    if (isOver(value)) return value;
    await Bun.sleep(20);
  }
}

const timesOf = ({ write, n }: Sent, url: string): Promise<number> =>
  patiently(
    () =>
      write
        .times(url, n)
        .catch((cause: Error) =>
          /: 50[234]|: 0|^50|Connect|socket/.test(cause.message) ? -1 : Promise.reject(cause),
        ),
    (times) => times >= 0,
  );

const name = ({ write, n, status, type, text }: Sent) =>
  `${write.name} ${n}: ${status} ${type} ${text.slice(0, 300)}`;

/** What cannot be known by its answer may be either. */
function judgeFirst(sent: Sent, times: number, outcomes: KillOutcomes): void {
  add(outcomes.answers, sent.status);
  if (times > 0) add(outcomes.doneAfter, `${sent.status} ${sent.type}`);
  if (times > 1) outcomes.doubled += 1;
  const isDone = sent.status >= 200 && sent.status < 300;
  if (isDone && times === 0) outcomes.lost += 1;
  const isRefused = (sent.status >= 400 && sent.status < 499) || sent.status === 503;
  if (times > 1 || (isDone && times === 0) || (isRefused && times > 0))
    outcomes.wrong.push(`${name(sent)}: carried out ${times} times`);
  // Every kind is a request that can be carried out: nobody is told that it is wrong, or nothing at all.
  const isNamed = isDone || [0, 502, 503, 504].includes(sent.status);
  if (!isNamed) outcomes.wrong.push(`answered first, ${name(sent)}`);
}

async function judgeAgain(sent: Sent, url: string, outcomes: KillOutcomes): Promise<void> {
  const again = await patiently(
    () => send(sent, url),
    ({ status }) => status !== 503 && status !== 0,
  );
  add(outcomes.again, again.status);
  const times = await timesOf(sent, url);
  const isAnswered = again.status >= 200 && again.status < 300;
  if (times > 1) outcomes.doubled += 1;
  if (isAnswered && times === 0) outcomes.lost += 1;
  if (again.type === "outcome_unknown") add(outcomes.unknown, sent.write.name);
  else if (!isAnswered) outcomes.wrong.push(`sent again, ${name(again)}, after ${name(sent)}`);
  if (times > 1 || (isAnswered && times === 0)) outcomes.wrong.push(`${name(again)}: ${times} times`);
  const wasAnswered = sent.status >= 200 && sent.status < 300;
  if (wasAnswered && (again.status !== sent.status || !isSame(again.text, sent.text)))
    outcomes.wrong.push(`answered otherwise: ${name(sent)} and then ${name(again)}`);
}

const isSame = (a: string, b: string): boolean =>
  a === b || (a !== "" && b !== "" && Bun.deepEquals(JSON.parse(a), JSON.parse(b)));

export interface Round {
  kinds?: readonly CountedWrite[];
  /** Numbers of the writes. */
  from: number;
  count: number;
  /** Share of them with a key. */
  keyed: number;
  random: () => number;
}

/** Gets everything ready that the kinds need. */
export async function prepareWrites(url: string): Promise<void> {
  for (const { prepare } of countedWrites) await prepare?.(url);
}

/** Sends the writes, kills in the middle, looks what is there, sends those with keys again, and looks again. */
export async function killAmong(lake: Lake, round: Round, outcomes: KillOutcomes): Promise<void> {
  const { from, count, keyed, random, kinds = countedWrites } = round;
  const planned = Array.from({ length: count }, (_, at) => {
    const n = from + at;
    const write = kinds[Math.floor(random() * kinds.length)] as CountedWrite;
    return {
      write,
      n,
      delayMs: random() * 150,
      ...(random() < keyed && { key: `counted-${write.name}-${n}`.replaceAll(" ", "-") }),
    };
  });
  await Promise.all(planned.map(({ write, n }) => write.ready?.(lake.url(), n)));
  const url = lake.url();
  /** So many are answered when it is killed, and the rest is somewhere on its way. */
  const due = Math.floor(random() * count);
  const killMs = random() * 20;
  const isDue = Promise.withResolvers<void>();
  let answered = 0;
  const sending = planned.map(async ({ delayMs, ...each }) => {
    await Bun.sleep(delayMs);
    const sent = await send(each, url);
    if (++answered >= due) isDue.resolve();
    return sent;
  });
  if (due > 0) await isDue.promise;
  await Bun.sleep(killMs);
  await lake.kill();
  const sent = await Promise.all(sending);
  outcomes.writes += sent.length;
  for (const each of sent) judgeFirst(each, await timesOf(each, lake.url()), outcomes);
  for (const each of sent) if (each.key !== undefined) await judgeAgain(each, lake.url(), outcomes);
}
