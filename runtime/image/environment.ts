/** What the runtime reads from the environment before any of our code runs, so that a process must start with it. */

/**
 * JavaScriptCore's executions, in its weights, after which a function is compiled with all optimisations; its own
 * default, 100,000, is made for pages. Requests of one kind then run at full speed after some 2,000 of them, not after
 * 12,000: ADR 0046. And threads for file reads, writes and syncs, which all services
 * share: ADR 0040.
 */
const wanted = { BUN_JSC_thresholdForFTLOptimizeAfterWarmUp: "10000", UV_THREADPOOL_SIZE: "16" };

/** The variables that this process lacks; none when it was started with all of them. An operator's own value stays. */
export const lackingVariables = (env: Record<string, string | undefined>): Record<string, string> =>
  Object.fromEntries(Object.entries(wanted).filter(([name]) => env[name] === undefined));
