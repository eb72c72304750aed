/**
 * `bun run backup DIR [--gateway URL] [--keep N] [--json]` takes a point of all services of a running Lakehouse, while
 * writes go on. `--list` and `--verify` look at a backup, and need no Lakehouse.
 */
import { parseBind, urlOf } from "../../runtime/addresses/addresses.ts";
import {
  amountOf,
  configOf,
  createProgress,
  gatewayOf,
  parseArguments,
  UsageError,
} from "../command-line/command-line.ts";
import { directoryOf, run } from "./arguments.ts";
import { openRepository, type Repository } from "./repository.ts";
import { createServiceClient } from "./service-client.ts";
import { takeBackup } from "./take.ts";
import { verify } from "./verification.ts";

const usage = `bun run backup DIR [options]     takes a backup of a running Lakehouse into DIR
  --gateway URL        where it runs; otherwise gateway.bind of the configuration
  --keep N             drops all but the newest N points afterwards
  --list               shows the points of DIR, and does no more
  --verify             reads all of DIR again and compares every checksum, and does no more
  --json               tells the result as one line of JSON
  --config FILE, --SECTION.KEY=VALUE   as for bun run supervisor; the token comes from there or AUTH_TOKEN
`;

const say = (text: string) => process.stdout.write(`${text}\n`);
const sizeOf = (bytes: number) => amountOf(bytes, "bytes");

async function list(repository: Repository, json: boolean): Promise<number> {
  const rows = [];
  for (const point of await repository.points()) {
    try {
      const { files, damaged } = await repository.read(point);
      rows.push({
        point,
        files: files.length,
        bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
        damaged,
      });
    } catch (error) {
      rows.push({ point, problem: (error as Error).message });
    }
  }
  if (json) say(JSON.stringify({ points: rows }));
  for (const row of json ? [] : rows) {
    const lost = row.damaged?.length ? `, ${row.damaged.length} damaged and not in it` : "";
    say(row.problem ?? `${row.point}  ${row.files} files, ${sizeOf(row.bytes ?? 0)}${lost}`);
  }
  if (rows.length === 0 && !json) say(`there is no point in ${repository.path} yet`);
  return rows.some(({ problem }) => problem !== undefined) ? 1 : 0;
}

async function verifyAll(repository: Repository, json: boolean): Promise<number> {
  const names = await repository.points();
  const bar = createProgress("verify", { unit: "bytes" });
  const { blobs, bytes, faults } = await verify(repository, names, bar);
  bar.end();
  if (json) say(JSON.stringify({ points: names.length, blobs, bytes, faults }));
  else {
    for (const { place, problem } of faults) say(`${place}: ${problem}`);
    const outcome =
      faults.length === 0
        ? "every checksum holds"
        : `${faults.length} ${faults.length === 1 ? "fault" : "faults"}. Remove the files named, and take a backup: it copies anew what still exists`;
    say(
      `${names.length} point${names.length === 1 ? "" : "s"}, ${blobs} blobs, ${sizeOf(bytes)}: ${outcome}`,
    );
  }
  return faults.length === 0 ? 0 : 1;
}

async function take(
  repository: Repository,
  { gateway, token, keep, json }: { gateway: string; token: string; keep: number | undefined; json: boolean },
): Promise<number> {
  const bar = createProgress("backup", { unit: "bytes" });
  const started = performance.now();
  const taken = await takeBackup(createServiceClient(gateway, token), repository, bar).finally(bar.end);
  const dropped = keep === undefined ? undefined : await repository.keep(keep);
  const seconds = Math.round((performance.now() - started) / 100) / 10;
  if (json) say(JSON.stringify({ ...taken, ...(dropped && { dropped }), seconds }));
  else {
    for (const { service, path, problem } of taken.damaged)
      say(`not in the backup: ${service}/${path}: ${problem}`);
    if (dropped && dropped.points > 0)
      say(`dropped ${dropped.points} points and ${sizeOf(dropped.bytes)} that only they had`);
    const lost =
      taken.damaged.length === 0 ? "" : `; ${taken.damaged.length} damaged files are not in it: bun run fsck`;
    say(
      `point ${taken.point}: ${taken.files} files, ${sizeOf(taken.bytes)}, of which ${sizeOf(taken.copied_bytes)} were new, in ${seconds} s; answers waited ${taken.held_ms} ms${lost}`,
    );
  }
  return taken.damaged.length === 0 ? 0 : 1;
}

async function main(words: string[]): Promise<number> {
  if (words.includes("--help")) {
    say(usage.trimEnd());
    return 0;
  }
  const taken = { options: ["gateway", "keep"], switches: ["list", "verify", "json"], usage };
  const read = parseArguments(words, taken);
  const directory = directoryOf(read, usage);
  const { options, switches } = read;
  const json = switches.has("json");
  const looks = switches.has("list") || switches.has("verify");
  if (looks && (options.gateway !== undefined || options.keep !== undefined))
    throw new UsageError(
      "--list and --verify look at the backup alone: --gateway and --keep do not go with them",
    );
  const keep = options.keep === undefined ? undefined : Number(options.keep);
  if (keep !== undefined && !(Number.isSafeInteger(keep) && keep > 0))
    throw new UsageError(`--keep: expected how many points to keep, 1 or more, got '${options.keep}'`);
  const asked = gatewayOf(read);
  const repositoryAt = (write: boolean) => openRepository(directory, { write });
  if (switches.has("verify")) return verifyAll(await repositoryAt(false), json);
  if (switches.has("list")) return list(await repositoryAt(false), json);
  const config = configOf(read);
  const { port } = parseBind(config.gateway.bind);
  const gateway = asked ?? urlOf(config.gateway.bind, port);
  const repository = await repositoryAt(true);
  try {
    return await take(repository, { gateway, token: config.auth.token, keep, json });
  } finally {
    repository.close();
  }
}

await run(main);
