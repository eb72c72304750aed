/** Calls in this thread, for tests of one service: values pass as they are, errors as on every other transport. */
import { fromWire } from "../../../runtime/errors/errors.ts";
import { answer, type Call, type CallLimits, deadline, type Invoke } from "../../../runtime/rpc/transport.ts";

export const overLocal =
  (invoke: Invoke, limits: CallLimits): Call =>
  async (verb, input, options = {}) => {
    const { requestId = crypto.randomUUID(), idempotencyKey } = options;
    const { signal, done } = deadline(options, limits, verb);
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    try {
      signal.throwIfAborted();
      const context = { requestId, signal, ...(idempotencyKey && { idempotencyKey }) };
      const { value, error } = await Promise.race([answer(invoke, verb, input, context), aborted]);
      if (error) throw fromWire(error);
      return value;
    } finally {
      done();
    }
  };
