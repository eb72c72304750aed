/** The README's tour, run as printed: each command of its console blocks, against the answer shown below it. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { type Product, startProduct } from "../../support/product/product.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

interface Step {
  command: string;
  expected: string;
}

/** Commands (`$ …`, going on after a backslash) and what follows each of them. */
function stepsOf(markdown: string): Step[] {
  const [, tour = ""] = markdown.split(/^## Five-minute tour$/m);
  const [section = ""] = tour.split(/^## /m);
  const blocks = [...section.matchAll(/^```console\n([\s\S]*?)^```$/gm)].map(([, block]) => block ?? "");
  return blocks.flatMap((block) =>
    block
      .split(/^\$ /m)
      .filter((text) => text.trim() !== "")
      .map((text) => {
        const [command = ""] = /^(.*\\\n)*.*/.exec(text) ?? [];
        return { command, expected: text.slice(command.length).trim() };
      }),
  );
}

/** `…` stands for anything, as ids and times. */
const pattern = (expected: string): RegExp => {
  const parts = expected.split("…").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join("[\\s\\S]*")}$`);
};

const home = temporaryDirectory("tour");
let product: Product;
beforeAll(async () => {
  product = await startProduct();
  for (const name of ["scripts", "node_modules"])
    symlinkSync(join(process.cwd(), name), join(home.path, name));
});
afterAll(async () => {
  await product.end();
  home.remove();
});

test("the tour works as printed", async () => {
  const steps = stepsOf(await Bun.file("README.md").text());
  expect(steps.length).toBeGreaterThan(5);
  for (const { command, expected } of steps) {
    const here = command
      .replaceAll("localhost:3110", product.url.replace("http://", ""))
      .replaceAll("npx -y bun@1.4.5", process.execPath);
    const shell = Bun.spawn(["bash", "-c", here], { cwd: home.path, stdout: "pipe", stderr: "pipe" });
    const [out, err] = await Promise.all([
      new Response(shell.stdout).text(),
      new Response(shell.stderr).text(),
    ]);
    // What takes a few seconds tells how far it is, on a busy machine more often.
    const printed = `${out}${err}`.replace(/^\S+ \[#*\.*\] .*\n/gm, "").trim();
    expect({ command, printed, matches: pattern(expected).test(printed) }).toMatchObject({ matches: true });
  }
});
