/** What each part of the product may take of memory, and what it has taken where that is counted; and what the disk has. */
import { statfs } from "node:fs/promises";
import type { Static } from "@sinclair/typebox";
import type { Config, ServiceSection } from "../../../runtime/config/config.ts";
import type { Contract, Peer } from "../../../runtime/contract/contract.ts";
import type { Memory } from "../contract.ts";

const askTimeoutMs = 2000;

/** `here` are the services of this process; peers are asked what they count. */
export async function memoryTable(
  config: Config,
  here: readonly string[],
  peers: Readonly<Record<string, Peer<Contract>>>,
): Promise<Static<typeof Memory>> {
  // The settings are read by the first who asks, not at each start.
  const { planMemory } = await import("../../../runtime/config/config.ts");
  const { available, planned, parts } = planMemory(config, here as ServiceSection[]);
  const rows = parts.map(async ({ name, what, bytes }) => {
    const [section = "", key] = name.split(".");
    const peer = key === "max_memory_bytes" ? peers[section] : undefined;
    const used = peer && (await takenBy(peer));
    return { name, what, limit_bytes: Math.round(bytes), ...(used !== undefined && { used_bytes: used }) };
  });
  return {
    available_bytes: available,
    planned_bytes: Math.round(planned),
    resident_bytes: process.memoryUsage.rss(),
    parts: await Promise.all(rows),
  };
}

/** Of the file system that the folder is on. */
export async function diskOf(
  folder: string,
): Promise<{ free_bytes: number; total_bytes: number } | undefined> {
  try {
    const { bavail, blocks, bsize } = await statfs(folder);
    return { free_bytes: bavail * bsize, total_bytes: blocks * bsize };
  } catch {
    // Shown as unknown: another user's folder, or one that is not there yet.
    return undefined;
  }
}

/** Undefined where it does not say: its state says why. */
async function takenBy(peer: Peer<Contract>): Promise<number | undefined> {
  try {
    const answer = await peer.fetch("/metrics", { signal: AbortSignal.timeout(askTimeoutMs) });
    const [, bytes] = /^\w+_memory_taken_bytes(?:\{[^}]*\})? (\S+)/m.exec(await answer.text()) ?? [];
    return bytes === undefined ? undefined : Number(bytes);
  } catch {
    return undefined;
  }
}
