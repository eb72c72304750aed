/** The downgrade gate as a verb. */
import type { VerbsOf } from "../../../runtime/contract/contract.ts";
import { invalidField } from "../../../runtime/errors/errors.ts";
import type { Matrixd } from "../contract.ts";
import { decideDowngrade } from "./decision.ts";
import type { ConfiguredModels } from "./models.ts";

export function downgradeVerbs(configured: ConfiguredModels): Pick<VerbsOf<Matrixd>, "downgrade"> {
  return {
    downgrade: async (ask) => {
      for (const field of ["model", "task"] as const)
        if (ask[field].trim() === "") throw invalidField(field, `expected text, got only spaces`);
      return decideDowngrade(ask, configured);
    },
  };
}
