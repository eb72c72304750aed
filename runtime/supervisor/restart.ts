/** When a service that ended is started again: a pure rule. */

interface RestartRule {
  backoff_ms: number;
  backoff_max_ms: number;
  restart_limit: number;
  restart_window_ms: number;
}

/**
 * Milliseconds to wait before the next start, doubling with each restart inside the window, or undefined when the
 * limit is reached. `restarts` are the times of earlier restarts, `now` on the same clock.
 */
export function nextRestart(restarts: readonly number[], now: number, rule: RestartRule): number | undefined {
  const recent = restarts.filter((at) => now - at < rule.restart_window_ms).length;
  if (recent >= rule.restart_limit) return undefined;
  return Math.min(rule.backoff_ms * 2 ** recent, rule.backoff_max_ms);
}
