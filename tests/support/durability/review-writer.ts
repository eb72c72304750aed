/**
 * A program that has outputs reviewed until it is killed and says on standard output which review was acknowledged.
 * Arguments: folder of the data, the number to begin with.
 */
import { writeSync } from "node:fs";
import { startObserverd } from "../stacks/observerd.ts";

/** What the nth review is about. */
export const taskOf = (n: number): string => `Explain why forklift operator ${n} needs training`;

if (import.meta.main) {
  const [dataDir = "", first = "1"] = process.argv.slice(2);
  const service = await startObserverd({ dataDir, section: { chat_calls: false } });
  let next = Number(first);
  const write = async () => {
    for (;;) {
      const n = next++;
      const { id } = await service.peer.verbs.review({
        task: taskOf(n),
        output: "x ".repeat((n * 37) % 2000),
      });
      writeSync(1, `${n} ${id}\n`);
    }
  };
  await Promise.all(Array.from({ length: 8 }, write));
}
