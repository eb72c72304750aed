/**
 * Rotates the token of the running product again and again while clients send at a fixed rate:
 * `bun tests/campaigns/faults/rotation.ts [--seconds 60] [--rate 200] [--mode one|apart] [--seed 1]`. Prints a JSON line a
 * rotation and one at the end; exits 1 when any request failed or an old token was still accepted.
 */
import { parseArgs } from "node:util";
import { type Mode, prepare, rotateUnderLoad, startLake, statusesOf } from "../../support/faults/rotation.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    rate: { type: "string", default: "200" },
    mode: { type: "string", default: "one" },
    seed: { type: "string", default: "1" },
  },
});
const [seconds, rate, seed] = [values.seconds, values.rate, values.seed].map(Number) as [
  number,
  number,
  number,
];
if (values.mode !== "one" && values.mode !== "apart") throw new Error("--mode: expected one or apart");
const mode: Mode = values.mode;
const stepMs = 1000;

const token = (rotation: number) => `rotation-${seed}-${rotation}-of-the-campaign`;
const lake = await startLake(mode, token(0));
const total = { rotations: 0, sent: 0, failed: 0, accepted: 0 };
try {
  await prepare(lake, token(0));
  const started = performance.now();
  while (performance.now() - started < seconds * 1000) {
    const tokens = { old: token(total.rotations), next: token(total.rotations + 1) };
    const { sent, failed, openMax } = await rotateUnderLoad(lake, tokens, {
      rate,
      seed: seed + total.rotations,
      stepMs,
    });
    const stillAccepted = (await statusesOf(lake, tokens.old)).filter((status) => status !== 401).length;
    total.rotations += 1;
    total.sent += sent;
    total.failed += failed.length;
    total.accepted += stillAccepted;
    const line = {
      mode,
      sent,
      failed: failed.slice(0, 5),
      open_max: openMax,
      old_still_accepted: stillAccepted,
    };
    process.stdout.write(`${JSON.stringify(line)}\n`);
  }
} finally {
  await lake.end();
}
process.stdout.write(`${JSON.stringify({ mode, rate, ...total })}\n`);
process.exit(total.failed + total.accepted === 0 && total.rotations > 0 ? 0 : 1);
