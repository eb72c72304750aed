/** What the runtime reads from the environment before any of our code runs, so that a process must start with it. */
import type { Config } from "./settings.ts";

/** Threads for file reads and small calls, beside those that long native calls hold. */
const poolHeadroom = 16;

/**
 * Executions, in JavaScriptCore's weights, after which a function is compiled with all optimisations; its own default,
 * 100,000, is made for pages. Requests of one kind then run at full speed after some 2,000 of them, not after 12,000:
 * docs/decisions/0046-compiled-early.md.
 */
const optimizeAfter = 10_000;
const optimizeVariable = "BUN_JSC_thresholdForFTLOptimizeAfterWarmUp";

/**
 * The variables that this process lacks; none when it was started with all of them. An operator's own value stays,
 * unless the pool would be too small: native calls hold a thread of the process's work pool until they return, and it
 * has one a core by default (docs/decisions/0040-work-pool.md).
 */
export function lackingVariables(
  { queryd, ingestd }: Pick<Config, "queryd" | "ingestd">,
  env: Record<string, string | undefined>,
): Record<string, string> {
  const pool = queryd.max_concurrent_queries + ingestd.max_concurrent_ingests + poolHeadroom;
  return {
    ...(Number(env.UV_THREADPOOL_SIZE ?? 0) < pool && { UV_THREADPOOL_SIZE: String(pool) }),
    ...(env[optimizeVariable] === undefined && { [optimizeVariable]: String(optimizeAfter) }),
  };
}
