/**
 * Fails one call on a file after the other while everything that is kept is written and asked for: `bun
 * tests/campaigns/faults/io-faults.ts [--count 200] [--seed 1] [--call fsync] [--errno EIO] [--tracked corpus]`; with `--part 1/8`
 * not any, but each call of each deed by each errno, the first eighth of them. Prints one JSON
 * line; exits 1 when something acknowledged was lost, something refused is there in part, an error was not named, or
 * work did not go on once the fault was over. Needs Linux and a C compiler.
 */
import { campaignRules, runCampaign } from "../../support/campaigns/campaign.ts";
import {
  anyFault,
  createDrill,
  everyFault,
  type Spot,
  type SpotFault,
} from "../../support/faults/io-drill.ts";
import { calls, type Errno, shim } from "../../support/faults/io-faults.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const rules = campaignRules(200, ["call", "errno", "tracked", "restart", "all", "part"]);
if (shim.program === undefined) throw new Error(`io-faults cannot run here: ${shim.lacks}`);

/** Faults between two restarts: half of them by kill. */
const restartEvery = Number(rules.given("restart") ?? 40);

const directory = temporaryDirectory("io-faults-drill");
const drill = await createDrill(directory.path, {
  only: rules.given("tracked"),
});
const wanted = calls.filter((call) => (rules.given("call") ?? call) === call);
const spots = await drill.spots(wanted);
const { outcomes } = drill;
const errno = rules.given("errno") as Errno | undefined;
const [part = 1, parts = 1] = (rules.given("part") ?? "").split("/").map(Number);
const all = everyFault(spots, errno);
const edge = (at: number): number => Math.round((all.length * at) / parts);
const whole = all.slice(edge(part - 1), edge(part));
const faultAt = (at: number): SpotFault =>
  rules.given("part") === undefined
    ? anyFault(spots[Math.floor(rules.random() * spots.length)] as Spot, rules.random, errno)
    : (whole[at] as SpotFault);
const count = rules.given("part") === undefined ? rules.count : whole.length;
/** With `--all 1` what is wrong is told at once, and the campaign goes on. */
const goesOn = rules.given("all") !== undefined;

await runCampaign({
  name: "io-faults",
  rules: { ...rules, count },
  outcomes,
  cycle: async (at) => {
    const note = await drill.fail(faultAt(at));
    if ((at + 1) % restartEvery === 0 || at + 1 === count)
      await drill.restart(rules.random() < 0.5 ? "SIGKILL" : "SIGTERM");
    if (goesOn) {
      for (const text of outcomes.wrong.splice(0)) process.stderr.write(`WRONG ${text}\n`);
    }
    return note;
  },
  end: async () => {
    await drill.end();
    directory.remove();
  },
});
