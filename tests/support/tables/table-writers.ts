/** Writers of one open table that go on whatever fails, each commit until the table has it: by the protocol, by ingests of ours, and as engines of others do it. */
import { join } from "node:path";
import { installed } from "../../../scripts/engines/all.ts";
import { putFile, tablesAt } from "./tracked-table.ts";

export const rowsEach = 10;
/** Rows of writers whose commits are told apart by their rows: no file of `byProtocol` holds such ids. */
const writersFrom = 10_000;
const stride = 10_000;
/** Of the n-th commit of a writer: its snapshot's id, or that of its rows. */
export const idOf = (writer: number, at: number): number => writersFrom + writer * stride + at;

/** A product that comes and goes. */
export interface Written {
  url: () => string;
  /** Resolves when it is up. */
  up: () => Promise<void>;
  outcomes: {
    acknowledged: number;
    conflicts: number;
    unknown: number;
    wrong: string[];
    /** What engines said of commits whose outcome they do not know, and how often. */
    reasons: Record<string, number>;
  };
}

/** As Iceberg's clients wait: twice as long each time at most, and none as long as another. */
const pauseMs = (attempt: number): number => Math.random() * Math.min(2000, 20 * 2 ** Math.min(attempt, 10));

/** Works until it succeeds: a failure tells nothing of what was done. */
export async function persist<T>(
  { up }: Pick<Written, "up">,
  work: () => Promise<T | undefined>,
): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    await up();
    const found = await work().catch(() => undefined);
    if (found !== undefined) return found;
    await Bun.sleep(pauseMs(attempt));
  }
}

/** Commits of the protocol, as `tablesAt` makes them; each has a snapshot id of its own. */
export async function byProtocol(
  written: Written,
  name: string,
  { id, file }: { id: number; file: Uint8Array },
): Promise<void> {
  const { outcomes } = written;
  let tries = 0;
  await persist(written, async () => {
    const url = written.url();
    const tables = tablesAt(url);
    const loaded = await tables.ask("GET", `/namespaces/open/tables/${name}`);
    if (loaded.status !== 200) return undefined;
    const { metadata } = loaded.body;
    const has = (snapshot: { "snapshot-id": number }) => snapshot["snapshot-id"] === id;
    if (metadata.snapshots.some(has)) return true;
    const path = `${id}.parquet`;
    if (tries === 0) await putFile(url, `${metadata.location}/data/${path}`, file);
    tries += 1;
    const place = `${metadata.location}/metadata/${id}-${tries}`;
    const answer = await tables.append(name, metadata, [{ path, rows: rowsEach, bytes: file.length }], {
      ...{ id, manifestPath: `${place}-m.avro`, listPath: `${place}-list.avro` },
    });
    if (answer.status === 409) outcomes.conflicts += 1;
    else if (answer.status !== 200) outcomes.unknown += 1;
    return answer.status === 200 || undefined;
  });
  outcomes.acknowledged += 1;
}

interface Asked {
  path: string;
  body: string;
  type: string;
  /** Counts what was refused as a conflict. */
  onConflict: () => void;
}

/** A request done once: after a conflict it is another request, after anything else the same one by its Idempotency-Key. */
export async function once(written: Written, { path, body, type, onConflict }: Asked): Promise<void> {
  let key = crypto.randomUUID();
  await persist(written, async () => {
    const answer = await fetch(`${written.url()}${path}`, {
      method: "POST",
      headers: { "content-type": type, "idempotency-key": key },
      body,
    });
    const text = await answer.text();
    if (answer.status === 409) {
      onConflict();
      key = crypto.randomUUID();
    } else if (
      text.includes('"type":"internal"') ||
      (answer.status >= 400 && answer.status < 500 && ![408, 429].includes(answer.status))
    )
      written.outcomes.wrong.push(`${path} ${body.slice(0, 200)}: ${answer.status} ${text.slice(0, 300)}`);
    return answer.ok || (answer.status < 500 && ![408, 409, 429].includes(answer.status)) || undefined;
  });
}

/** An ingest of ours that appends. */
export async function byIngest(written: Written, name: string, id: number): Promise<void> {
  const { outcomes } = written;
  await once(written, {
    path: `/v1/ingest?name=open.${name}&mode=append`,
    body: `id,name\n${`${id},ours\n`.repeat(rowsEach)}`,
    type: "text/csv",
    onConflict: () => {
      outcomes.conflicts += 1;
    },
  });
  outcomes.acknowledged += 1;
}

const program = join(import.meta.dir, "../../../scripts/engine-programs/commit_rows.py");

const reasonsMax = 20;

/** Writers of an engine, from the `first` on, in one process of its own. It is installed where it is missing. */
export async function byEngine(
  written: Written,
  name: string,
  { engine, first, count, commits }: { engine: string; first: number; count: number; commits: number },
): Promise<void> {
  if (count === 0) return;
  const { outcomes } = written;
  const { python, words, env } = await installed(engine);
  const numbers = [rowsEach, idOf(first, 0), commits, count, stride].map(String);
  const child = Bun.spawn(
    [python, "-B", program, `${written.url()}/iceberg`, "", name, "open", engine, ...numbers, ...words],
    { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] },
  );
  const failures = new Response(child.stderr).text();
  let rest = "";
  const decoder = new TextDecoder();
  for await (const bytes of child.stdout) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const told = JSON.parse(line) as { committed?: number; refused?: boolean; why?: string };
      if (told.committed !== undefined) outcomes.acknowledged += 1;
      else outcomes[told.refused ? "conflicts" : "unknown"] += 1;
      if (told.refused !== false) continue;
      const why = `${engine}: ${told.why?.replaceAll(/[\da-f]{2,}/g, "…").slice(0, 200)}`;
      if (Object.keys(outcomes.reasons).length < reasonsMax || why in outcomes.reasons)
        outcomes.reasons[why] = (outcomes.reasons[why] ?? 0) + 1;
    }
  }
  const code = await child.exited;
  if (code !== 0) outcomes.wrong.push(`${engine}: ended with ${code}: ${(await failures).slice(-1500)}`);
}
