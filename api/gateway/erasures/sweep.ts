/** One service after another is asked to forget; those that cannot are asked again later. */
import type { Contract, Peer, Whom } from "../../../runtime/contract/contract.ts";
import { peerError, ServiceError } from "../../../runtime/errors/errors.ts";
import type { Erasure } from "./journal.ts";

type Ended = Erasure["services"][number];

/** What a service is asked: the body of its endpoint. */
export interface Asked {
  subject: Whom;
  also?: Whom[];
  who: string;
  why: string;
  dry_run?: boolean;
}

/**
 * What things are made of comes before what is made of them: rows before the corpora that follow them, so that nothing
 * is built anew from what goes later. Objects are last, as all others stand in them.
 */
const sweepOrder = [
  "pathwayd",
  "chatd",
  "ingestd",
  "matrixd",
  "vectord",
  "observerd",
  "catalogd",
  "queryd",
  "embedd",
  "storaged",
] as const;

/** Those that keep rows of tables: no other has cells. */
const withCells = new Set<string>([
  "ingestd",
  "matrixd",
  "catalogd",
  "queryd",
] satisfies (typeof sweepOrder)[number][]);

/** The services that are asked, in order. */
export const askedOf = ({
  subject,
  also = [],
}: Pick<Asked, "subject" | "also">): readonly (typeof sweepOrder)[number][] =>
  [subject, ...also].some((each) => typeof each === "string")
    ? sweepOrder
    : sweepOrder.filter((service) => withCells.has(service));

export const unasked = (services: readonly string[]): Ended[] =>
  services.map((service) => ({ service, state: "open", removed: [], left: [] }));

/** Asks a service; what it failed with is told, and it stays open. */
export async function askService(
  service: string,
  peer: Peer<Contract>,
  asked: Asked,
  signal: AbortSignal,
): Promise<Ended> {
  try {
    const response = await peer.fetch(`/durable/${service}/erase`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(asked),
      signal,
    });
    if (!response.ok) throw await peerError(service, response);
    const report = (await response.json()) as Pick<Ended, "removed" | "left">;
    return { service, state: "done", ...report };
  } catch (cause) {
    const problem =
      cause instanceof ServiceError
        ? `${cause.type}: ${cause.message}`
        : "it did not answer; its log says why";
    return { service, state: "open", problem, removed: [], left: [] };
  }
}
