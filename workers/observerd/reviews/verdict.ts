/** From findings to a verdict: log-odds add up to the probability that the output is good. */

import { claimRules } from "./claims.ts";
import { formRules } from "./form.ts";
import type { Review } from "./log.ts";
import type { Finding, Subject } from "./rule.ts";

/** Probability of a good output from which it is accepted; a clean, checked answer without evidence reaches 0.79. */
const acceptFrom = 0.75;
/** Probability up to which it is rejected. Between the two the rules are not sure. */
const rejectTo = 0.25;

export interface Judgement {
  verdict: Review["verdict"];
  /** Of the verdict; for `needs_human` that of the likelier of the other two. */
  confidence: number;
  reasons: Finding[];
}

/** What all rules say, without asking anyone. The heaviest reason comes first. */
export function judge(subject: Subject): Judgement {
  const reasons = [...formRules(subject), ...claimRules(subject)].sort(
    (a, b) => Math.abs(b.weight) - Math.abs(a.weight),
  );
  const logOdds = reasons.reduce((sum, { weight }) => sum + weight, 0);
  const good = 1 / (1 + Math.exp(-logOdds));
  const confidence = Math.round(Math.max(good, 1 - good) * 1000) / 1000;
  const verdict = good >= acceptFrom ? "accept" : good <= rejectTo ? "reject" : "needs_human";
  return { verdict, confidence, reasons };
}
