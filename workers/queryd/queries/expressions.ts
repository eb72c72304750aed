/** Expressions by themselves, as changes of rows have them. */
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import type { Components } from "./execution.ts";

/** Throws `sql_error` unless each text is one expression. */
export async function checkExpressions(
  { engines, analysis }: Components,
  texts: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const session = await engines.session(signal, texts.join("; "));
  try {
    for (const text of texts) await analysis.expression(text, session);
  } finally {
    session.release();
  }
}

/** The same of a condition in a URL; the failure names it. */
export async function checkWhere(components: Components, where: string, signal: AbortSignal): Promise<void> {
  try {
    await checkExpressions(components, [where], signal);
  } catch (cause) {
    if (!(cause instanceof ServiceError) || cause.type !== "sql_error") throw cause;
    const message = `where: expected one SQL expression, as state = 'IL' (${cause.message})`;
    throw fail("sql_error", message, { details: cause.details, cause });
  }
}
