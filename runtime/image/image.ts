/** What a process of the product begins with: its environment and the bundle of its programs. */
import { join } from "node:path";
import { type Program, root } from "../program/program.ts";
import { openBundle } from "./bundle.ts";
import { lackingVariables } from "./environment.ts";

export { holdBundle, presentBundle } from "./bundle.ts";
export { lackingVariables };

/**
 * Becomes the program, in place of this image of the process: bundled, and with the variables that it needs from its first
 * moment on. Returns where that cannot be or is not needed: the file to go on with.
 */
export async function becomeProgram(name: Program): Promise<string> {
  const lacking = lackingVariables(process.env);
  const { file, isNew } = await openBundle(name).catch(async (cause) => {
    const { createLog, describe } = await import("../telemetry/telemetry.ts");
    createLog("supervisor", "info").info("runs from its sources: they could not be bundled", describe(cause));
    return { file: join(root, name), isNew: false };
  });
  // What made a bundle would go on with the memory that it took.
  if (Object.keys(lacking).length === 0 && !isNew) return file;
  const command = [process.execPath, ...process.execArgv, file, ...process.argv.slice(2)];
  process.execve?.(process.execPath, command, { ...process.env, ...lacking } as Record<string, string>);
  return file;
}
