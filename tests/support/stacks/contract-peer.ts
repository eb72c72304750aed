/** A service of which a test plays a few verbs: input and reply go through its contract as between real services. */
import type { Contract, VerbsOf } from "../../../runtime/contract/endpoints.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import { configWith, type InProcess, startInProcess } from "./in-process.ts";

/** Starts it; verbs that are not played are `unavailable`. */
export function startContractPeer<C extends Contract>(
  contract: C,
  dataDir: string,
  played: Partial<VerbsOf<C>>,
): Promise<InProcess<C>> {
  const refuse = async () => {
    throw fail("unavailable", `${contract.name} does not play this`);
  };
  const rest = Object.fromEntries(Object.keys(contract.endpoints).map((name) => [name, refuse]));
  const create = async () => ({
    verbs: { ...rest, ...played } as VerbsOf<C>,
    raw: rest as never,
    stop: async () => {},
  });
  return startInProcess({ contract, create }, { config: configWith({ data_dir: dataDir }), peers: {} });
}
