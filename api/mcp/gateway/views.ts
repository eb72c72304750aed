/** Views where datasets are: what is read like one is listed and described beside them. */
import type { ReplyOf } from "../../../runtime/contract/contract.ts";
import { type Catalogd, catalogd, viewIn } from "../../../workers/catalogd/contract.ts";
import { type Queryd, queryd } from "../../../workers/queryd/contract.ts";
import type { GatewayClient } from "./client.ts";
import { GatewayFailure } from "./failure.ts";

type Page = ReplyOf<Queryd["endpoints"]["views"]>;
export type View = Page["views"][number];

const viewsPerPage = 1000;

/** Every view as it is now. */
export async function allViews(gateway: GatewayClient, signal: AbortSignal): Promise<View[]> {
  const found: View[] = [];
  let page: { page_token?: string } | undefined = {};
  while (page) {
    const { views, next_page_token }: Page = await gateway.call(
      queryd.endpoints.views,
      { page_size: viewsPerPage, ...page },
      { signal },
    );
    found.push(...views);
    page = next_page_token === undefined ? undefined : { page_token: next_page_token };
  }
  return found;
}

/** Throws what the gateway says of the dataset where there is neither. */
export const datasetOrView = (
  gateway: GatewayClient,
  name: string,
  signal: AbortSignal,
): Promise<ReplyOf<Catalogd["endpoints"]["manifest"]> | View> =>
  gateway
    .call(catalogd.endpoints.manifest, { name }, { signal })
    .catch((cause) => viewInstead(gateway, signal, cause));

/** The view that was taken for a dataset, where that is why it failed. */
export async function viewInstead(
  gateway: GatewayClient,
  signal: AbortSignal,
  cause: unknown,
): Promise<View> {
  const view = viewIn(cause instanceof GatewayFailure ? cause.failure : undefined);
  if (view === undefined) throw cause;
  return gateway.call(queryd.endpoints.view, { name: view }, { signal });
}
