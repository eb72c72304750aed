/** The limits of each provider, concurrent calls and tokens and dollars a day, and the record of what was spent. */
export { createQuota, type Quota, roughTokens, type Usage, usageOf } from "./quota.ts";
export { openSpendBook, type SpendBook } from "./spend-book.ts";
