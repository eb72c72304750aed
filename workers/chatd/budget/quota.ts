/** The limits of a provider: concurrent calls, and dollars and tokens a day. */
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import { failure, type ProviderSetting } from "../providers/providers.ts";
import type { SpendBook, Spent } from "./spend-book.ts";

export interface Quota {
  /** Takes one of the concurrent calls, until the returned function is called. Throws a ProviderFailure when there is none. */
  enter: () => () => void;
  /** Counts what a call took. */
  spend: (amount: Spent) => void;
  inFlight: () => number;
}

const dayMs = 24 * 60 * 60 * 1000;

/** A call is admitted while anything of the budget is left, so the calls in flight may exceed it. */
export function createQuota(setting: ProviderSetting, book: SpendBook, clock: Pick<Clock, "now">): Quota {
  const { name, maxConcurrent, budgetUsdPerDay, budgetTokensPerDay } = setting;
  let inFlight = 0;
  const refuseSpent = () => {
    if (budgetUsdPerDay === undefined && budgetTokensPerDay === undefined) return;
    const { usd, tokens } = book.spent(name);
    const over =
      budgetUsdPerDay !== undefined && usd >= budgetUsdPerDay
        ? `${budgetUsdPerDay} USD`
        : budgetTokensPerDay !== undefined && tokens >= budgetTokensPerDay
          ? `${budgetTokensPerDay} tokens`
          : undefined;
    if (over === undefined) return;
    const retryAfterSeconds = Math.ceil((dayMs - (clock.now() % dayMs)) / 1000);
    throw failure("too_many_requests", `the budget of ${over} a day for ${name} is used up`, "next", {
      retryAfterSeconds,
    });
  };
  return {
    inFlight: () => inFlight,
    spend: (amount) => book.add(name, amount),
    enter: () => {
      refuseSpent();
      if (inFlight >= maxConcurrent)
        throw failure(
          "too_many_requests",
          `${name} has ${maxConcurrent} calls in flight, all it may`,
          "next",
          {
            retryAfterSeconds: 1,
          },
        );
      inFlight += 1;
      let isHeld = true;
      return () => {
        if (isHeld) inFlight -= 1;
        isHeld = false;
      };
    },
  };
}
