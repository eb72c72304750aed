/** How deep a request may be nested: what is sent on has to be written again, by code that calls itself. */
import { fail } from "../../../runtime/errors/errors.ts";

/** Levels; a JSON schema of real life has under 30. */
const depthMax = 256;

/** Throws `invalid_json` when lists and objects stand in each other more than 256 deep. */
export function refuseDeep(value: unknown): void {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > depthMax) throw fail("invalid_json", `the body is nested more than ${depthMax} levels deep`);
    const below: unknown[] = [];
    for (const each of level)
      if (typeof each === "object" && each !== null)
        for (const inner of Object.values(each))
          if (typeof inner === "object" && inner !== null) below.push(inner);
    level = below;
  }
}
