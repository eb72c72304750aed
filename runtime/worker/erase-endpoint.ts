/** A service forgets a subject: by its own means what it keeps, and answers to Idempotency-Keys by the runtime's. */
import { jsonResponse, readJson } from "../bodies/bodies.ts";
import { ErasureRequest, type RawContext, type Running } from "../contract/contract.ts";
import { checkReasons, removedAt, reportOf, subjectOf } from "../erasure/erasure.ts";
import { fail } from "../errors/errors.ts";
import type { Idempotency } from "../idempotency/idempotency.ts";

interface EraseDeps {
  name: string;
  erase: Running<never>["erase"];
  idempotency: Pick<Idempotency, "redact">;
  /** Whether a snapshot is held: it has second names of files, or copies, of what is to go. */
  isHeld: () => boolean;
}

/** A request to erase is three short texts. */
const bodyBytesMax = 64 * 1024;

/** Answers POST /durable/{service}/erase. */
export const eraseHandler =
  ({ name, erase, idempotency, isHeld }: EraseDeps) =>
  async (_: unknown, { request, requestId, signal }: RawContext): Promise<Response> => {
    const {
      subject: text,
      also,
      who,
      why,
      dry_run: dryRun = false,
    } = await readJson(request, ErasureRequest, bodyBytesMax);
    const subject = subjectOf(text, also);
    checkReasons({ who, why }, subject);
    if (isHeld() && !dryRun)
      throw fail("unavailable", `a backup is being taken of ${name}, which would keep what is to go`, {
        retryAfterSeconds: 30,
      });
    const own = await erase?.({ subject, who, why, dryRun, requestId, signal });
    // Last: what the service does about it may have been asked for with a key.
    const answers = await idempotency.redact(subject.isMentioned, dryRun);
    const report = reportOf(
      own ?? { removed: [], left: [] },
      removedAt(`${name}/idempotency`, "answers to Idempotency-Keys", answers),
    );
    return jsonResponse(report);
  };
