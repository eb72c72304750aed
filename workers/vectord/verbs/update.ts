/** Changing an item in place: its metadata, whole or field by field, and its text with the vector made of it. */
import type { InputOf } from "../../../runtime/contract/contract.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import { withText, withVectors } from "../bodies/bodies.ts";
import type { Vectord } from "../contract.ts";
import type { LiveIndex } from "../indexes/indexes.ts";
import { type Metadata, textField, vectorsField } from "../rows/rows.ts";
import type { Texts } from "./texts.ts";

type Asked = Omit<InputOf<Vectord["endpoints"]["update"]>, "name">;

/** Throws `bad_request` for what says no change or two at once, `not_found`, and what `add` throws. */
export async function update(
  live: LiveIndex,
  asked: Asked,
  texts: Texts,
  { signal, operation }: { signal: AbortSignal; operation: string | undefined },
): Promise<{ updated: true; id: string }> {
  const { id, metadata, set, unset, text, vectors } = asked;
  if ([metadata, set, unset, text, vectors].every((each) => each === undefined))
    throw fail(
      "bad_request",
      "expected 'metadata', 'set', 'unset', 'text' or 'vectors', which say what changes",
    );
  if (metadata !== undefined && (set !== undefined || unset !== undefined))
    throw fail(
      "bad_request",
      "expected either 'metadata', all of it, or 'set' and 'unset', some fields of it",
    );
  const twice = unset?.find((field) => set !== undefined && Object.hasOwn(set, field));
  if (twice !== undefined)
    throw fail("bad_request", `the field '${twice.slice(0, 100)}' stands in 'set' and in 'unset'`);
  for (const fields of [metadata, set]) withText(fields, undefined, "item");
  if (unset?.includes(textField))
    throw fail("bad_request", `unset: '${textField}' is the item's text, which its vector was made of`);
  if (unset?.includes(vectorsField))
    throw fail(
      "bad_request",
      `unset: '${vectorsField}' are the item's named vectors; give them as 'vectors'`,
    );
  // Before it is embedded, which may take long.
  if (live.rows().find(id) === undefined)
    throw fail("not_found", `index '${live.config.name}' has no item '${id.slice(0, 100)}'`);
  const vector =
    text === undefined
      ? undefined
      : await texts.vectorsOf([text], live.config, { nameOf: () => "text", signal });
  const change = (kept: Metadata | undefined) => ({
    metadata: withVectors(changed(kept, asked), vectors, live.config, "item"),
    ...(vector && { vector }),
  });
  await live.update(id, change, operation);
  return { updated: true, id };
}

function changed(
  kept: Metadata | undefined,
  { metadata, set, unset = [], text }: Asked,
): Metadata | undefined {
  const fields = { ...(metadata ?? kept), ...set };
  for (const field of unset) delete fields[field];
  const now = text ?? kept?.[textField];
  if (now !== undefined) fields[textField] = now;
  if (kept?.[vectorsField] !== undefined) fields[vectorsField] = kept[vectorsField];
  return Object.keys(fields).length > 0 || metadata !== undefined ? fields : undefined;
}
