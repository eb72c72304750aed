/** The list of a dataset's versions, page by page from the latest: the token is the number that the page before ended with. */
import pMap from "p-map";
import type { ReplyOf } from "../../../runtime/contract/contract.ts";
import { invalidField } from "../../../runtime/errors/errors.ts";
import type { Catalogd } from "../contract.ts";
import { isDamaged } from "../registry/registry.ts";
import { versionMax } from "../schemas/schemas.ts";
import { firstOf, versionSummaryOf } from "../versions/versions.ts";
import type { ChainReader } from "./chain-reader.ts";

export type VersionsPage = Omit<ReplyOf<Catalogd["endpoints"]["versions"]>, "name">;

/** Manifests of one dataset read at once: one may have 64 MiB. */
const concurrency = 4;

/** Throws `not_found` where there never was such a dataset, and `invalid_field` for a token that is none. */
export async function versionsPage(
  { latest, numbered }: ChainReader,
  name: string,
  { token, size }: { token: string | undefined; size: number },
): Promise<VersionsPage> {
  const head = latest(name);
  const last = Math.min(head.version, token === undefined ? versionMax : belowOf(token) - 1);
  const first = Math.max(firstOf(head), last - size + 1);
  const numbers = Array.from({ length: Math.max(0, last - first + 1) }, (_, at) => last - at);
  const summary = async (number: number) => {
    const head = await numbered(name, number);
    return isDamaged(head) ? { version: head.version, reason: head.reason } : versionSummaryOf(head);
  };
  const found = await pMap(numbers, summary, { concurrency });
  const unreadable = found.flatMap((each) => ("reason" in each ? [each] : []));
  return {
    versions: found.flatMap((each) => ("reason" in each ? [] : [each])),
    ...(unreadable.length > 0 && { unreadable }),
    ...(first > firstOf(head) && { next_page_token: tokenOf(first) }),
  };
}

const tokenOf = (below: number): string => Buffer.from(`below:${below}`).toString("base64url");

function belowOf(token: string): number {
  const [, number] = /^below:([1-9]\d{0,8})$/.exec(Buffer.from(token, "base64url").toString("latin1")) ?? [];
  if (number !== undefined) return Number(number);
  throw invalidField("page_token", "expected the next_page_token of an earlier answer");
}
