/** LibreOffice as a writer of documents: without a window, with a profile of its own. */
import { join } from "node:path";

/** Writes the pages as files of a format into `<home>/made`. Throws, with words, where it is not installed. */
export async function convert(home: string, kind: string, pages: readonly string[]): Promise<void> {
  const program = Bun.which("soffice");
  if (program === null)
    throw new Error("soffice is not here: apt-get install libreoffice-writer, then run it again");
  const run = Bun.spawn(
    [
      program,
      `-env:UserInstallation=file://${join(home, "profile")}`,
      "--headless",
      ...["--infilter=HTML (StarWriter)", "--convert-to", kind, "--outdir", join(home, "made")],
      ...pages,
    ],
    { stdout: "ignore", stderr: "ignore" },
  );
  if ((await run.exited) !== 0) throw new Error(`soffice ended with ${run.exitCode}`);
}
