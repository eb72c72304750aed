/** A process that reviews is killed at random instants: no review that has answered is lost or changed. */
import { expect, test } from "bun:test";
import { openReviews } from "../../../../workers/observerd/reviews/log.ts";
import { seeded } from "../../../support/campaigns/seeded.ts";
import { keptIn } from "../../../support/durability/marked.ts";
import { taskOf } from "../../../support/durability/review-writer.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";
import { observerdDirectory } from "../../../support/stacks/observerd.ts";

const kills = 6;
const seed = 20_260_101;

/** Lets it review until so many have answered, kills it, and gives what was acknowledged. */
async function killedAfter(dataDir: string, count: number, first: number): Promise<Map<number, string>> {
  const program = new URL("../../../support/durability/review-writer.ts", import.meta.url).pathname;
  const child = Bun.spawn([process.execPath, program, dataDir, String(first)], {
    stdout: "pipe",
    stderr: "inherit",
  });
  let written = "";
  const decoder = new TextDecoder();
  for await (const chunk of child.stdout) {
    written += decoder.decode(chunk, { stream: true });
    if (written.split("\n").length > count) child.kill("SIGKILL");
  }
  await child.exited;
  expect(child.signalCode).toBe("SIGKILL");
  // A last line without its end is no acknowledgement.
  const lines = written.split("\n").slice(0, -1);
  return new Map(lines.map((line) => [Number(line.split(" ")[0]), line.split(" ")[1] ?? ""]));
}

test(`${kills} kills, seed ${seed}`, async () => {
  const own = temporaryDirectory("review-kill");
  const random = seeded(seed);
  const acknowledged = new Map<number, string>();
  for (let kill = 0; kill < kills; kill++) {
    const first = kill * 10_000 + 1;
    for (const [n, id] of await killedAfter(own.path, 5 + Math.floor(random() * 200), first))
      acknowledged.set(n, id);
    const reviews = await openReviews({
      directory: observerdDirectory(own.path),
      ...(await keptIn(observerdDirectory(own.path))),
    });
    expect(reviews.problems()).toEqual([]);
    const found = new Map(
      (await Array.fromAsync(reviews.all())).map(({ review, task }) => [review.id, task]),
    );
    await reviews.close();
    for (const [n, id] of acknowledged) expect(found.get(id)).toBe(taskOf(n));
  }
  expect(acknowledged.size).toBeGreaterThan(kills * 5);
  own.remove();
});
