/** Ends a journal that others may be writing to, or lets it go on where its index did not end. */
import { fail, type ServiceError } from "../../../runtime/errors/errors.ts";
import type { ManifestFile } from "../objects/objects.ts";
import type { Appends } from "./appends.ts";

interface Ending {
  file: ManifestFile;
  appends: Appends;
  /** Why nothing is taken any more. */
  ended: ServiceError | undefined;
}

/** While no append is under way. */
export async function endHolding(state: Ending, why: ServiceError, work: () => Promise<void>): Promise<void> {
  const hold = await state.appends.hold();
  try {
    await endBy(state, why, work);
    state.appends.refuse(why);
  } finally {
    hold.release();
  }
}

/**
 * Does the work that ends the journal. When it fails the journal goes on, but only once it is certain that a manifest
 * whose write failed will not take its place later: what is appended then would be lost.
 */
async function endBy(state: Ending, why: ServiceError, work: () => Promise<void>): Promise<void> {
  const { file } = state;
  const { name, incarnation } = file.current();
  try {
    await work();
  } catch (error) {
    if (file.possible().length > 1) {
      state.ended = fail("outcome_unknown", `whether '${name}' was replaced is not known; restart vectord`);
      await file.change((manifest) => manifest);
    }
    if (file.current().incarnation !== incarnation) {
      state.ended = why;
      return;
    }
    state.ended = undefined;
    throw error;
  }
}
