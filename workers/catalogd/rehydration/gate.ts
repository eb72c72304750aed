/** Nobody is answered before the registry is complete: no caller learns too early that a dataset does not exist. */
import type { VerbsOf } from "../../../runtime/contract/contract.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import type { Catalogd } from "../contract.ts";

interface Pending {
  pending: () => string | undefined;
}

export function refuseWhilePending(rehydration: Pending): void {
  const pending = rehydration.pending();
  if (pending !== undefined) throw fail("unavailable", `catalogd is ${pending}`, { retryAfterSeconds: 1 });
}

/** Every verb is unavailable until then. */
export function gated(rehydration: Pending, verbs: VerbsOf<Catalogd>): VerbsOf<Catalogd> {
  const gate =
    (verb: (input: never, context: never) => Promise<unknown>) => async (input: never, context: never) => {
      refuseWhilePending(rehydration);
      return verb(input, context);
    };
  return Object.fromEntries(
    Object.entries(verbs).map(([name, verb]) => [name, gate(verb)]),
  ) as unknown as VerbsOf<Catalogd>;
}
