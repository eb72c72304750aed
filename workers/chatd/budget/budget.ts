/** What each provider may still be asked for today: calls at once, tokens and dollars, and the book of what was spent. */
export { createQuota, type Quota } from "./quota.ts";
export { openSpendBook, type SpendBook } from "./spend-book.ts";
export { roughTokens, type Usage, usageOf } from "./usage.ts";
