/** What operators do with a service's `durable`: snapshots copied into a directory, inspections read to their end. */
import { expect } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Durable, Finding, Snapshot } from "../../../runtime/durable/inspection.ts";
import { takeAsTheyAre } from "./marked.ts";

/** Copies all files of a snapshot, holds their sizes against what was told, and lets it go. The paths. */
export async function copySnapshot(snapshot: Snapshot, directory: string): Promise<string[]> {
  const paths = await copyFiles(snapshot, directory);
  await snapshot.end();
  return paths;
}

/** Puts them into a service's directory as a restore does. */
export async function restoreSnapshot(snapshot: Snapshot, directory: string): Promise<string[]> {
  const paths = await copySnapshot(snapshot, directory);
  await takeAsTheyAre(directory, paths);
  return paths;
}

/** The same for a snapshot that is held on to. */
export async function copyFiles(snapshot: Snapshot, directory: string): Promise<string[]> {
  const paths: string[] = [];
  for await (const { path, bytes } of snapshot.files()) {
    const target = join(directory, path);
    await mkdir(dirname(target), { recursive: true });
    const content = await Bun.readableStreamToBytes(await snapshot.open(path));
    expect(`${path} ${content.length}`).toBe(`${path} ${bytes}`);
    await writeFile(target, content);
    paths.push(path);
  }
  return paths;
}

/** What an inspection found; it must tell its progress, which never goes beyond its total. */
export async function findingsOf({ inspect }: Pick<Durable, "inspect">): Promise<Finding[]> {
  const findings: Finding[] = [];
  let steps = 0;
  for await (const step of inspect(new AbortController().signal)) {
    if ("finding" in step) findings.push(step.finding);
    else {
      expect(step.progress.done).toBeLessThanOrEqual(step.progress.total);
      steps += 1;
    }
  }
  expect(steps).toBeGreaterThan(0);
  return findings;
}

/** Flips one bit in the middle of the file's last text that reads so. */
export function flipIn(path: string, text: string): void {
  const bytes = readFileSync(path);
  const at = bytes.lastIndexOf(text);
  if (at < 0) throw new Error(`${path} does not say '${text}'`);
  const middle = at + (text.length >> 1);
  bytes[middle] = (bytes[middle] as number) ^ 1;
  writeFileSync(path, bytes);
}
