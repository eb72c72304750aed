/** @jsxImportSource hono/jsx */
/** System: services, memory, buckets, providers and maintenance. */
import type { ReplyOf } from "../../../runtime/contract/contract.ts";
import { ServiceError } from "../../../runtime/errors/errors.ts";
import type { Chatd } from "../../../workers/chatd/contract.ts";
import type { Storaged } from "../../../workers/storaged/contract.ts";
import type { Gateway } from "../../gateway/contract.ts";
import {
  Action,
  bytes,
  count,
  duration,
  Failure,
  Layout,
  moment,
  type PageContext,
  State,
  Table,
} from "../parts/parts.ts";
import { orFailure } from "../session/session.ts";

type System = ReplyOf<Gateway["endpoints"]["system"]>;
type Buckets = ReplyOf<Storaged["endpoints"]["buckets"]>;
type Providers = ReplyOf<Chatd["endpoints"]["providerDetails"]>;

export async function system({ api, path, nonce }: PageContext) {
  const [{ services, memory, maintenance }, buckets, providers] = await Promise.all([
    api.get<System>("/v1/system"),
    orFailure(api.get<Buckets>("/v1/storage/buckets")),
    orFailure(api.get<Providers>("/v1/chat/providers/details")),
  ]);
  return (
    <Layout title="System" at={path} nonce={nonce}>
      <h2>Services</h2>
      <Table
        label="Services"
        heads={["Name", "State", "Address", "Up", "Restarts", "Last error"]}
        rows={services.map((each) => [
          each.name,
          <State of={each.state} />,
          <code>{each.address}</code>,
          each.uptime_seconds === undefined ? "" : duration(each.uptime_seconds * 1000),
          each.restarts ?? "",
          each.last_error ?? "",
        ])}
        empty=""
      />
      <h2>Memory</h2>
      <Table
        label="Memory"
        heads={["Setting", "For", "At most", "Now"]}
        rows={memory.parts.map((part) => [
          <code>{part.name}</code>,
          part.what,
          bytes(part.limit_bytes),
          part.used_bytes === undefined ? "" : bytes(part.used_bytes),
        ])}
        empty=""
      />
      <h2>Buckets</h2>
      {buckets instanceof ServiceError ? <Failure error={buckets} /> : <BucketTable {...buckets} />}
      <h2>Models’ providers</h2>
      {providers instanceof ServiceError ? <Failure error={providers} /> : <ProviderTable {...providers} />}
      <h2>Maintenance</h2>
      {maintenance === undefined ? (
        <p class="empty">ingestd does not answer.</p>
      ) : (
        <MaintenanceTable maintenance={maintenance} />
      )}
      <p>
        <a href="/docs">The API</a> · <a href="/metrics">Metrics</a> ·{" "}
        <a href="/console/sign-out">Sign out</a>
      </p>
    </Layout>
  );
}

const BucketTable = ({ buckets }: Buckets) => (
  <Table
    label="Buckets"
    heads={["Name", "Kind", "Where"]}
    rows={buckets.map((bucket) => {
      const { name, kind, ...more } = bucket as { name: string; kind?: string };
      return [
        name,
        kind ?? "",
        <code>
          {Object.values(more)
            .filter((value) => typeof value === "string")
            .join(" ")}
        </code>,
      ];
    })}
    empty="There are none."
  />
);

const ProviderTable = ({ providers }: Providers) => (
  <Table
    label="Providers"
    heads={["Name", "Kind", "Address", "Key", "State", "Spent today"]}
    rows={providers.map((each) => [
      each.name,
      each.kind,
      <code>{each.base_url}</code>,
      each.has_key ? "there" : "none",
      <span title={each.reason}>
        <State of={each.reachable ? "ready" : "not reachable"} /> <small>{each.reason ?? ""}</small>
      </span>,
      `$${each.spent_usd.toFixed(2)}, ${count(each.spent_tokens)} tokens`,
    ])}
    empty="None is configured: [providers.*] in lakehouse.toml."
  />
);

const MaintenanceTable = ({ maintenance }: { maintenance: NonNullable<System["maintenance"]> }) => (
  <>
    <p>
      {maintenance.enabled
        ? `By schedule; next ${moment(maintenance.next_at ?? "")}.`
        : "There is no schedule."}
    </p>
    <Table
      label="Maintenance"
      heads={["Step", "Runs", "Failed", "Done", "Bytes", "Last error"]}
      rows={Object.entries(maintenance.steps).map(([step, totals]) => [
        step,
        count(totals.runs),
        count(totals.failed),
        count(totals.count),
        bytes(totals.bytes),
        totals.last_error?.error ?? "",
      ])}
      empty=""
    />
    <Action
      method="POST"
      path="/v1/catalog/maintain"
      body={{}}
      says="Small files of every dataset are merged, versions older than the settings keep are expired, and orphans are removed."
    >
      Maintain all now
    </Action>
  </>
);
