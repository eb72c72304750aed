/** What a search is made of: the service puts it together and hands it to `searchVerbs`. */
import type { Static } from "@sinclair/typebox";
import type { Clock } from "../../runtime/clock.ts";
import type { Peer } from "../../runtime/contract.ts";
import type { Catalogd } from "../catalogd/contract.ts";
import type { Embedd } from "../embedd/contract.ts";
import type { Queryd } from "../queryd/contract.ts";
import type { Vectord } from "../vectord/contract.ts";
import type { Corpora } from "./live-corpus.ts";
import type { PlaybookMatches } from "./playbook-match.ts";
import type { Profile } from "./schemas.ts";

export interface SearchParts {
  corpora: Pick<Corpora, "hold">;
  playbooks: PlaybookMatches;
  /** The active profile: defaults of searches that name no corpora. */
  profile: () => Static<typeof Profile> | undefined;
  clock: Clock;
  /** [matrixd] corpus_timeout_ms. */
  corpusTimeoutMs: number;
  peers: { catalogd: Peer<Catalogd>; embedd: Peer<Embedd>; queryd: Peer<Queryd>; vectord: Peer<Vectord> };
}
