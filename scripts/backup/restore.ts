/**
 * `bun run restore DIR [--at POINT] [--only SERVICE,…] [--json]` puts a point of a backup into the data directory of
 * the configuration, which must be new. Lakehouse must not run on it, and refuses to start until the restore is whole.
 */
import { topology } from "../../runtime/topology.ts";
import {
  type Arguments,
  configOf,
  createProgress,
  parseArguments,
  UsageError,
} from "../command-line/command-line.ts";
import { directoryOf, run } from "./arguments.ts";
import { refuseErased } from "./erasures.ts";
import { BackupError, openRepository, type Repository } from "./repository.ts";
import { enterTarget, leaveTarget, restoreFiles, restoreObjects, type Target } from "./restoration.ts";
import { startStorage } from "./storaged-alone.ts";
import { verify } from "./verification.ts";

const usage = `bun run restore DIR [options]    puts the newest point of the backup in DIR into a new data directory
  --at POINT           another point; bun run backup DIR --list shows them
  --only NAME[,NAME…]  the files of these services alone, where each host has its own data directory
  --with-erased        also a point that holds what was erased since; without, it is refused
  --json               tells the result as one line of JSON
  --data_dir=DIR, --config FILE, --SECTION.KEY=VALUE   as for bun run supervisor
`;

const say = (text: string) => process.stdout.write(`${text}\n`);

/** The point asked for: its name, or the beginning of it; the newest without one. */
async function choose(repository: Repository, asked: string | undefined): Promise<string> {
  const names = await repository.points();
  const fits = names.filter((name) => asked === undefined || name.startsWith(asked));
  const newest = fits.at(-1);
  const there = names.length === 0 ? "there is none" : `there are ${names.join(", ")}`;
  if (newest === undefined) throw new BackupError(`no point ${asked ?? ""} in ${repository.path}: ${there}`);
  if (asked !== undefined && fits.length > 1)
    throw new UsageError(`--at ${asked} fits ${fits.join(", ")}: give more of the name`);
  return newest;
}

function servicesOf(only: string | undefined): string[] {
  const all = Object.keys(topology);
  const asked = only?.split(",") ?? all;
  const unknown = asked.find((name) => !all.includes(name));
  if (unknown === undefined) return asked;
  throw new UsageError(`--only: there is no service '${unknown}'; expected ${all.join(", ")}`);
}

/** Nothing is written before all of the point was read and its checksums hold. */
async function checkWhole(repository: Repository, point: string): Promise<void> {
  const bar = createProgress("check", { unit: "bytes" });
  const { faults } = await verify(repository, [point], bar).finally(bar.end);
  if (faults.length === 0) return;
  const listed = faults.slice(0, 10).map(({ place, problem }) => `\n  ${place}: ${problem}`);
  throw new BackupError(
    `point ${point} is damaged, and nothing was restored:${listed.join("")}\nTry an earlier point (bun run backup ` +
      `${repository.path} --verify tells which are whole)`,
  );
}

async function restore(repository: Repository, point: string, target: Target, words: Arguments) {
  const record = await repository.read(point);
  const entered = await enterTarget(target, point);
  try {
    const objects = target.services.includes("storaged") ? record.files.filter(({ object }) => object) : [];
    let renamed: Awaited<ReturnType<typeof restoreObjects>> = [];
    if (target.services.includes("storaged")) {
      const bar = createProgress("restore", { unit: "bytes" });
      const storage = await startStorage(words);
      renamed = await restoreObjects(repository, objects, storage, { bar, ...entered }).finally(async () => {
        bar.end();
        await storage.end();
      });
    }
    const files = await restoreFiles(repository, record, target, renamed);
    await leaveTarget(target);
    const bytes = objects.reduce((sum, file) => sum + file.bytes, 0);
    return {
      point,
      data_dir: target.dataDir,
      objects: objects.length,
      bytes,
      files,
      damaged: record.damaged,
    };
  } finally {
    entered.release();
  }
}

async function main(words: string[]): Promise<number> {
  if (words.includes("--help")) {
    say(usage.trimEnd());
    return 0;
  }
  const read = parseArguments(words, { options: ["at", "only"], switches: ["json", "with-erased"], usage });
  const target = { dataDir: configOf(read).data_dir, services: servicesOf(read.options.only) };
  const repository = await openRepository(directoryOf(read, usage), { write: false });
  const point = await choose(repository, read.options.at);
  if (!read.switches.has("with-erased")) await refuseErased(repository, point);
  const started = performance.now();
  await checkWhole(repository, point);
  const done = await restore(repository, point, target, read);
  const seconds = Math.round((performance.now() - started) / 100) / 10;
  if (read.switches.has("json")) say(JSON.stringify({ ...done, seconds }));
  else {
    for (const { service, path, problem } of done.damaged)
      say(`was damaged when it was backed up: ${service}/${path}: ${problem}`);
    say(
      `restored point ${point} into ${target.dataDir}: ${done.objects} objects and ${done.files} files, compared, in ${seconds} s`,
    );
  }
  return 0;
}

await run(main);
