/** Whoever takes a view for a dataset is told so, whatever was asked of it. */
import type { VerbsOf } from "../../../runtime/contract/contract.ts";
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import type { Catalogd } from "../contract.ts";

/** The verbs of datasets; `viewOf` gives the view that has a name, in whatever case. */
export function namingViews<Verbs extends Partial<VerbsOf<Catalogd>>>(
  verbs: Verbs,
  viewOf: (name: string) => string | undefined,
): Verbs {
  const naming =
    (verb: (input: never, context: never) => Promise<unknown>) => async (input: never, context: never) => {
      try {
        return await verb(input, context);
      } catch (cause) {
        const { name } = input as { name?: unknown };
        const view = typeof name === "string" && isNotFound(cause) ? viewOf(name) : undefined;
        throw view === undefined ? cause : isView(view, cause);
      }
    };
  return Object.fromEntries(
    Object.entries(verbs).map(([name, verb]) => [name, naming(verb)]),
  ) as unknown as Verbs;
}

const isNotFound = (cause: unknown): boolean => cause instanceof ServiceError && cause.type === "not_found";

const isView = (view: string, cause: unknown): ServiceError =>
  fail(
    "not_found",
    `'${view}' is a view, not a dataset: SQL and /datasets/${view}.csv read it, /catalog/views/${view} describes it; what changes are the datasets that it reads`,
    { details: { view }, cause },
  );
