/** Damage to what a stopped product keeps, and what the product makes of it: named, harmless, or a gap. */
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { kindOf, type StoredKind } from "../durability/stored-files.ts";
import { absent } from "../durability/tracked-writes.ts";
import { startProduct } from "../product/product.ts";
import { askAll, controls, type Outcome } from "./controls.ts";

export const damages = ["flip", "cut by 1", "cut at a record", "emptied", "removed", "older"] as const;
export type Damage = (typeof damages)[number];

/** Bytes by path; of an object in S3 with its metadata. */
export type Stored = ReadonlyMap<string, StoredFile>;
export interface StoredFile {
  bytes: Buffer;
  headers?: Record<string, string>;
}

export interface Case {
  kind: StoredKind;
  path: string;
  damage: Damage;
  /** Null: it is removed. */
  becomes: StoredFile | null;
}

/**
 * What came of a case. `in part`: it is named, and what it held is missing from answers that say nothing of it. What is
 * `OPEN` is a gap.
 */
export type Verdict = "named" | "harmless" | "in part" | `OPEN: ${string}`;

/** All files under a folder, by their path in it. */
export function filesUnder(folder: string): Map<string, StoredFile> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return new Map(paths.sort().map((path) => [relative(folder, path), { bytes: readFileSync(path) }]));
}

/** One case, or undefined where the damage means nothing to the file: the older copy is the same, or it has no records. */
export function caseOf(
  { path, kind, damage }: Pick<Case, "path" | "kind" | "damage">,
  { now, older, random }: { now: Stored; older: Stored; random: () => number },
): Case | undefined {
  const file = now.get(path);
  if (!file || (file.bytes.length === 0 && damage !== "removed")) return undefined;
  const before = older.get(path);
  const { bytes } = file;
  const made = { kind, path, damage };
  const as = (changed: Buffer): Case => ({ ...made, becomes: { ...file, bytes: changed } });
  if (damage === "removed") return { ...made, becomes: null };
  if (damage === "older") {
    const becomes = before && !before.bytes.equals(bytes) ? before : exchanged({ path, kind, now });
    return becomes && { ...made, becomes };
  }
  if (damage === "emptied") return as(Buffer.alloc(0));
  if (damage === "cut by 1") return as(bytes.subarray(0, -1));
  if (damage === "cut at a record") {
    const left = kind.withoutLast?.(bytes);
    return left && left.length < bytes.length ? as(left) : undefined;
  }
  const flipped = Buffer.from(bytes);
  const at = Math.floor(random() * bytes.length);
  flipped[at] = (flipped[at] as number) ^ (1 << Math.floor(random() * 8));
  return as(flipped);
}

/** Another file of the kind, with what comes with it, where none is ever replaced by a later one. */
function exchanged({ path, kind, now }: Pick<Case, "path" | "kind"> & { now: Stored }) {
  if (!kind.isNeverReplaced) return undefined;
  const bytes = now.get(path)?.bytes ?? Buffer.alloc(0);
  const others = [...now].filter(([other, file]) => kindOf(other) === kind && !file.bytes.equals(bytes));
  return others[0]?.[1];
}

const overlap = (a: readonly string[], b: readonly string[]): boolean =>
  a.some((one) =>
    b.some((other) => one === other || one.startsWith(`${other}#`) || other.startsWith(`${one}#`)),
  );

/** Most cases in a start, and most in a bucket: `/readyz` names five problems of it, a case may be two, and counts the others. */
const most = { cases: 12, objects: 2 };
const isObject = ({ path }: Case): boolean => path.startsWith("buckets/");

/** Cases that can be tried in one start: what one of them bears is asked of no other. */
export function batchesOf(cases: readonly Case[], all: readonly string[]): Case[][] {
  const batches: { cases: Case[]; bears: string[] }[] = [];
  for (const each of cases) {
    const bears = each.kind.bears(each.path, all);
    const hasRoom = (batch: { cases: Case[] }) =>
      !each.kind.isAlone &&
      !batch.cases.some(({ kind }) => kind.isAlone) &&
      batch.cases.length < most.cases &&
      (!isObject(each) || batch.cases.filter(isObject).length < most.objects);
    const fits = batches.find((batch) => hasRoom(batch) && !overlap(batch.bears, bears));
    if (fits) {
      fits.cases.push(each);
      fits.bears.push(...bears);
    } else batches.push({ cases: [each], bears: [...bears] });
  }
  return batches.map((batch) => batch.cases);
}

export interface Scene {
  /** Of the whole product; read only. */
  original: string;
  all: readonly string[];
  flags: readonly string[];
  /** Where objects in S3 are brought to what they were, and damaged. */
  bucket?: { restore: () => Promise<void>; write: (path: string, file: StoredFile | null) => Promise<void> };
}

/** Tries the cases in one start; where the rest suffers, each by itself, to know whose doing it is. */
export async function tryBatch(scene: Scene, cases: readonly Case[]): Promise<Map<Case, Verdict>> {
  const seen = await startDamaged(scene, cases);
  const borne = (each: Case) => each.kind.bears(each.path, scene.all);
  const isBorne = (name: string, by: readonly Case[]) =>
    by.some((each) => overlap([name.replace(/ .*/, "")], borne(each)));
  const hurt =
    "failure" in seen
      ? [`does not start: ${seen.failure}`]
      : [...seen.outcomes]
          .filter(([name, outcome]) => outcome !== "right" && !isBorne(name, cases))
          .map(([name, outcome]) => `${name} is ${shown(outcome)}`);
  if (hurt.length > 0 && cases.length > 1) {
    const verdicts = new Map<Case, Verdict>();
    for (const each of cases) for (const entry of await tryBatch(scene, [each])) verdicts.set(...entry);
    return verdicts;
  }
  return new Map(
    cases.map((each): [Case, Verdict] => {
      if (hurt.length > 0) return [each, `OPEN: ${hurt.join("; ").slice(0, 300)}`];
      return [each, verdictOf(each, seen as Seen, (name) => isBorne(name, [each]))];
    }),
  );
}

const shown = (outcome: Outcome): string =>
  typeof outcome === "string" ? outcome : `answered ${JSON.stringify(outcome.wrong)?.slice(0, 80)}`;

interface Seen {
  all: readonly string[];
  outcomes: Map<string, Outcome>;
  readyz: string;
  gateway: string;
  fsck: string;
}

function verdictOf({ kind, path }: Case, seen: Seen, isBorne: (name: string) => boolean): Verdict {
  const names = kind.names?.(path, seen.all) ?? [path];
  const isIn = (text: string) => names.some((name) => text.includes(name));
  const own = [...seen.outcomes].filter(([name]) => isBorne(name));
  const wrong = own.filter(([, outcome]) => typeof outcome === "object");
  const refused = own.filter(([, outcome]) => outcome === "refused");
  const silent = [
    isIn(seen.readyz) ? [] : ["a service's /readyz"],
    isIn(seen.gateway) ? [] : ["the gateway's /readyz"],
    seen.fsck.split("\n").some((line) => line.includes('"severity":"damage"') && isIn(line)) ? [] : ["fsck"],
  ].flat();
  const lost = wrong.map(([name, outcome]) => `${name} ${shown(outcome)}`).join("; ");
  const isMissing = wrong.every(([, outcome]) => typeof outcome === "object" && outcome.wrong === absent);
  if (lost !== "" && silent.length === 0 && isMissing) return "in part";
  if (lost !== "")
    return `OPEN: ${silent.length === 3 ? "unnamed" : "named"}, ${lost}`.slice(0, 300) as Verdict;
  if (silent.length === 0) return "named";
  if (silent.length === 3 && refused.length === 0) return "harmless";
  return `OPEN: not named by ${silent.join(", ")}`;
}

/** What is not right of an undamaged copy: nothing, or the campaign would prove nothing. */
export async function tryWhole(scene: Scene): Promise<string[]> {
  const seen = await startDamaged(scene, []);
  if ("failure" in seen) return [seen.failure];
  const wrong = [...seen.outcomes].filter(([, outcome]) => outcome !== "right");
  return [
    ...wrong.map(([name, outcome]) => `undamaged, ${name} is ${shown(outcome)}`),
    ...(seen.gateway.includes('"reasons":[]') ? [] : [`undamaged, /readyz says ${seen.gateway}`]),
    ...(seen.fsck.includes('"finding"') ? [`undamaged, fsck says ${seen.fsck}`] : []),
  ];
}

/** Starts a copy with the damage, and asks. */
async function startDamaged(scene: Scene, cases: readonly Case[]): Promise<Seen | { failure: string }> {
  const home = dirname(scene.original);
  const dataDir = join(home, "data");
  cpSync(scene.original, dataDir, { recursive: true, preserveTimestamps: true });
  await scene.bucket?.restore();
  for (const { path, becomes } of cases) {
    if (scene.bucket && path.startsWith("buckets/primary/")) await scene.bucket.write(path, becomes);
    else if (becomes === null) rmSync(join(dataDir, path));
    else writeFileSync(join(dataDir, path), becomes.bytes);
  }
  try {
    const product = await startProduct({ dataDir: home, flags: scene.flags });
    try {
      const services = Object.entries(product.addresses);
      const look = async () => {
        const own = [textAt(`${product.url}/durable/gateway/inspect`)];
        const fsck = own.concat(
          services.map(([name]) => textAt(`${product.url}/v1/durable/${name}/inspect`)),
        );
        const readyz = services.map(([, url]) => textAt(`${url}/readyz`));
        return { fsck: await Promise.all(fsck), readyz: await Promise.all(readyz) };
      };
      // Before as well: what mends itself, as a lease that is damaged, is named until it has.
      const before = { ...(await look()), gateway: await textAt(`${product.url}/readyz`) };
      const outcomes = await askAll(product.url, controls);
      const { fsck, readyz } = await look();
      return {
        all: scene.all,
        outcomes,
        readyz: [...before.readyz, ...readyz].join("\n"),
        gateway: `${before.gateway}\n${await textAt(`${product.url}/readyz`)}`,
        fsck: [...before.fsck, ...fsck].join("\n"),
      };
    } finally {
      await product.end();
    }
  } catch (cause) {
    return { failure: String(cause).slice(0, 300) };
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
}

const textAt = (url: string): Promise<string> =>
  fetch(url).then(
    (answer) => answer.text(),
    (cause) => String(cause),
  );

/** One path of each kind, and files of no kind at all. */
export function choosePaths(
  now: Stored,
  random: () => number,
  only?: string,
): { chosen: Map<StoredKind, string>; unknown: string[] } {
  const byKind = new Map<StoredKind, string[]>();
  const unknown: string[] = [];
  for (const path of now.keys()) {
    const kind = kindOf(path);
    if (!kind) unknown.push(path);
    else byKind.set(kind, [...(byKind.get(kind) ?? []), path]);
  }
  const chosen = new Map<StoredKind, string>();
  for (const [kind, paths] of byKind) {
    if (only !== undefined && !only.split(",").includes(kind.name)) continue;
    const filled = paths.filter((path) => (now.get(path)?.bytes.length ?? 0) > 0);
    const some = filled.length > 0 ? filled : paths;
    chosen.set(kind, some[Math.floor(random() * some.length)] ?? "");
  }
  return { chosen, unknown };
}
