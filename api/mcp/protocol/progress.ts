/** Progress notifications of a call whose client asked for them. */
import type { ProgressToken } from "@modelcontextprotocol/server";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";

const everyMs = 1000;

interface Progress {
  /** The current step of the call, for the next notification. */
  at: (message: string) => void;
  stop: () => void;
}

type Send = (params: { progressToken: ProgressToken; progress: number; message: string }) => Promise<void>;

/** Notifies each second of how long the call has run and of its current step. Without a token it does nothing. */
export function createProgress(token: ProgressToken | undefined, clock: Clock, send: Send): Progress {
  if (token === undefined) return { at: () => {}, stop: () => {} };
  let message = "working";
  let seconds = 0;
  let cancel = (): void => {};
  const tick = (): void => {
    seconds++;
    // Sending to a disconnected client fails; its calls are cancelled when the transport closes.
    send({ progressToken: token, progress: seconds, message: `${message} (${seconds} s)` }).catch(() => {});
    cancel = clock.after(everyMs, tick);
  };
  cancel = clock.after(everyMs, tick);
  return {
    at: (now) => {
      message = now;
    },
    stop: () => cancel(),
  };
}
