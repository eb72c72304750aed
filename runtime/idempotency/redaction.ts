/** Answers that are forgotten before their time, as what they are about was erased. */
import { copiesOf, type LineLog, readLineLog, readRecord } from "../line-log/line-log.ts";
import type { createSlots, Entry } from "./slots.ts";

/** `files` are the oldest first. */
export function createRedaction(
  files: readonly { path: string; log: Pick<LineLog<Entry>, "amend"> }[],
  slots: Pick<ReturnType<typeof createSlots>, "forget" | "reader" | "get">,
) {
  const redact = async (is: (value: unknown) => boolean, dryRun: boolean) => {
    const keys = new Set<string>();
    const isAbout = ({ key, answer, before, found }: Entry) => is(key) || is([answer, before, found]);
    for (const [place, { path, log }] of files.entries()) {
      let here = 0;
      for await (const entry of readLineLog<Entry>(path))
        if (isAbout(entry)) {
          here += 1;
          keys.add(entry.key);
        }
      if (dryRun || (here === 0 && (await copiesOf(path)).length === 0)) continue;
      slots.forget(path);
      const take = slots.reader(path);
      const newer = new Set(files.slice(place + 1).map((file) => file.path));
      const redacted = (entry: Entry): Entry | undefined => {
        if (is(entry.key)) return undefined;
        const { key, fingerprint, operation, at, state } = entry;
        return isAbout(entry) ? { key, fingerprint, operation, at, state, erased: true } : entry;
      };
      await log.amend(redacted, (entry, at) => {
        if (!newer.has(slots.get(entry.key)?.path ?? "")) take(entry, at);
      });
      times += 1;
    }
    return keys.size;
  };
  let running: Promise<number> | undefined;
  /** Files written anew so far: places of their entries from before are void. */
  let times = 0;
  const find = async (key: string): Promise<Entry | undefined> => {
    const before = times;
    const slot = slots.get(key);
    try {
      return slot && (await readRecord<Entry>(slot.path, slot.at));
    } catch (cause) {
      // It was written anew meanwhile, and stands elsewhere.
      await running;
      if (times === before) throw cause;
      return find(key);
    }
  };
  return {
    /** The key's newest line, while it counts. */
    find,
    /** Of what is told so nothing is kept; gives how many keys there were. One at a time. */
    run: (is: (value: unknown) => boolean, dryRun = false): Promise<number> => {
      running = redact(is, dryRun);
      return running;
    },
  };
}
