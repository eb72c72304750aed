/** Expressions by themselves, as changes of rows have them. */
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
