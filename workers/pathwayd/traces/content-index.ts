/** An index of live traces by their content and tags, so that equal adds make one trace. */
import { type Contents, digestOf, isSame } from "./content.ts";
import { type Head, isLive } from "./head.ts";

export function createContentIndex(headOf: (uid: string) => Head | undefined) {
  /** Most contents belong to one trace: a set is made for the second. */
  const uids = new Map<number, string | Set<string>>();
  return {
    /** Adds the trace by its current content. */
    add: (head: Head): void => {
      const digest = digestOf(head);
      const known = uids.get(digest);
      if (known === undefined) uids.set(digest, head.uid);
      else if (typeof known === "string") uids.set(digest, new Set([known, head.uid]));
      else known.add(head.uid);
    },
    /** Live traces with this content and these tags, in the order they came to hold them. */
    find: function* (contents: Contents): Generator<Head, undefined> {
      const digest = digestOf(contents);
      const known = uids.get(digest) ?? [];
      for (const uid of typeof known === "string" ? [known] : known) {
        const head = headOf(uid);
        if (head && isLive(head)) {
          if (isSame(head, contents)) yield head;
        } else if (typeof known === "string") uids.delete(digest);
        // What is retired or superseded stays so: it need not be looked at again.
        else if (known instanceof Set) known.delete(uid);
      }
      return undefined;
    },
  };
}
