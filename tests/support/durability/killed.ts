/** Runs a program until `kill -9` hits it in the middle of its work, wherever that is then. */
import { expect } from "bun:test";

export interface Doom {
  /** So many lines it says before, however long that takes; without any it dies while it starts. */
  lines: number;
  /** Then it lives for so long, in milliseconds. */
  moreMs: number;
}

/** The whole lines that it said. */
export async function killed(command: readonly string[], { lines, moreMs }: Doom): Promise<string[]> {
  const child = Bun.spawn([process.execPath, ...command], { stdout: "pipe", stderr: "inherit" });
  const decoder = new TextDecoder();
  let text = "";
  let said = 0;
  let doomed = false;
  const doomWhenDue = () => {
    if (doomed || said < lines) return;
    doomed = true;
    setTimeout(() => child.kill(9), moreMs);
  };
  doomWhenDue();
  for await (const chunk of child.stdout) {
    const more = decoder.decode(chunk, { stream: true });
    text += more;
    said += more.split("\n").length - 1;
    doomWhenDue();
  }
  await child.exited;
  expect({ code: child.exitCode, signal: child.signalCode }).toEqual({ code: null, signal: "SIGKILL" });
  return text.split("\n").slice(0, -1);
}
