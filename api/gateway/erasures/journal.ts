/** Erasures, durable: who asked for each, when and why, and what each service said. A subject is kept until all have. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Static } from "@sinclair/typebox";
import type { Whom } from "../../../runtime/contract/contract.ts";
import { type Durable, holdFiles } from "../../../runtime/durable/durable.ts";
import {
  closedLog,
  inspectLineLog,
  type LineLog,
  type LogDamage,
  logDamageOf,
  openLineLog,
  openToInspect,
} from "../../../runtime/line-log/line-log.ts";
import type { Deps } from "../../../runtime/service/service.ts";
import type { Erasure as ErasureSchema } from "../contract.ts";

export type Erasure = Static<typeof ErasureSchema>;

/** What a line says: all that is known of one erasure; its newest line counts. */
export interface Kept extends Erasure {
  /** Absent as soon as every service is done. */
  subject?: Whom;
  also?: Whom[];
}

export interface Journal {
  /** Oldest first; none where the journal is refused. */
  all: () => Kept[];
  /** The same; throws where it is refused, as nobody can tell then which there were. */
  listed: () => Kept[];
  /** Resolves when it is on stable storage. */
  write: (kept: Kept) => Promise<void>;
  /** As `write`, and nothing is left of what earlier lines said of it. */
  finish: (kept: Kept) => Promise<void>;
  /** Damage, for `/readyz`. */
  problems: () => string[];
  durable: Durable;
  close: () => Promise<void>;
}

const logName = "erasures.log";
const logFormat = { format: "lakehouse.erasures", version: 1 } as const;
const remedy =
  "restore the gateway's folder from a backup, or let it go: an erasure whose lines are damaged is to be asked for again";

/** Reads the journal where there is one; it is made by the first erasure. One that is damaged as a whole refuses every call. */
export async function openJournal({
  directory,
  marks,
  adopted,
}: Pick<Deps, "directory" | "marks" | "adopted">): Promise<Journal> {
  const path = join(directory, logName);
  const erasures = new Map<string, Kept>();
  let log: LineLog<Kept> | undefined;
  let refused: { cause: Error; damage: LogDamage } | undefined;
  const open = async () => {
    log ??= await openLineLog<Kept>({
      path,
      ...logFormat,
      kept: { marks, adopted },
      replay: (kept) => void erasures.set(kept.id, kept),
    });
    return log;
  };
  if (existsSync(path) || marks.get(logName) !== undefined)
    await open().catch((cause) => {
      const damage = logDamageOf(cause);
      if (!damage) throw cause;
      erasures.clear();
      refused = { cause, damage };
    });
  const opened = async () => {
    if (refused) throw refused.cause;
    return await open();
  };
  return {
    all: () => [...erasures.values()],
    listed: () => {
      if (refused) throw refused.cause;
      return [...erasures.values()];
    },
    write: async (kept) => {
      await (await opened()).append(kept);
      erasures.set(kept.id, kept);
    },
    finish: async (kept) => {
      const rest = [...erasures.values()].filter(({ id }) => id !== kept.id);
      await (await opened()).forget([...rest, kept], () => erasures.set(kept.id, kept));
    },
    problems: () => {
      if (refused) return [refused.cause.message];
      const damaged = log?.report.damagedCount ?? 0;
      return damaged === 0 ? [] : [`gateway/${logName}: ${damaged} damaged lines were skipped: ${remedy}`];
    },
    durable: {
      snapshot: async () =>
        log ? await log.atRest(() => holdFiles(directory, [logName])) : await holdFiles(directory, []),
      inspect: async function* (signal) {
        if (refused) yield closedLog(refused.damage);
        if (!log) return;
        yield* inspectLineLog<Kept>({
          directory,
          file: logName,
          service: "gateway",
          ...logFormat,
          opened: await log.atRest((state) => openToInspect(path, state)),
          check: ({ id, who, why, services }) => {
            if (![id, who, why].every((text) => typeof text === "string") || !Array.isArray(services))
              throw new Error("not an erasure");
          },
          remedy: () => remedy,
          signal,
        });
      },
    },
    close: async () => await log?.close(),
  };
}
