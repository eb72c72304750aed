/** @jsxImportSource hono/jsx */
/** System: services, memory, buckets, providers, maintenance, settings, checks, backups and logs. */
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
import { system as says } from "../texts/texts.ts";
import { type BackupList, Backups } from "./backups.tsx";
import { Log, logLines } from "./log.tsx";
import { AllSettings, ChangedSettings, type SettingList } from "./settings.tsx";

type System = ReplyOf<Gateway["endpoints"]["system"]>;
type Buckets = ReplyOf<Storaged["endpoints"]["buckets"]>;
type Providers = ReplyOf<Chatd["endpoints"]["providerDetails"]>;

export async function system(context: PageContext) {
  const { api, query, path, nonce } = context;
  const listed = () => api.get<SettingList>("/v1/system/settings");
  if (query.get("part") === "log") return logLines(context);
  if (query.get("part") === "settings") return <AllSettings {...(await listed())} />;
  const [{ services, memory, maintenance }, settings, buckets, providers, backups] = await Promise.all([
    api.get<System>("/v1/system"),
    listed(),
    orFailure(api.get<Buckets>("/v1/storage/buckets")),
    orFailure(api.get<Providers>("/v1/chat/providers/details")),
    orFailure(api.get<BackupList>("/v1/system/backups")),
  ]);
  return (
    <Layout title={says.title} at={path} nonce={nonce} islands={["checks.js"]}>
      <h2>{says.services}</h2>
      <ServiceTable services={services} />
      <h2>{says.checks}</h2>
      <Checks />
      <h2>{says.log}</h2>
      <Log services={services.map(({ name }) => name)} />
      <h2>{says.providers}</h2>
      {providers instanceof ServiceError ? <Failure error={providers} /> : <ProviderTable {...providers} />}
      <h2>{says.backups}</h2>
      {backups instanceof ServiceError ? <Failure error={backups} /> : <Backups {...backups} />}
      <h2>{says.maintenance}</h2>
      {maintenance === undefined ? (
        <p class="empty">{says.maintenanceAway}</p>
      ) : (
        <MaintenanceTable maintenance={maintenance} />
      )}
      <h2>{says.buckets}</h2>
      {buckets instanceof ServiceError ? <Failure error={buckets} /> : <BucketTable {...buckets} />}
      <h2>{says.memory}</h2>
      <MemoryTable memory={memory} />
      <h2>{says.settings}</h2>
      <ChangedSettings {...settings} />
      <p>
        <a href="/docs">{says.api}</a> · <a href="/metrics">{says.metrics}</a> ·{" "}
        <a href="/console/sign-out">{says.signOut}</a>
      </p>
    </Layout>
  );
}

const ServiceTable = ({ services }: Pick<System, "services">) => (
  <Table
    label={says.services}
    heads={says.serviceHeads}
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
);

const MemoryTable = ({ memory }: Pick<System, "memory">) => (
  <Table
    label={says.memory}
    heads={says.memoryHeads}
    rows={memory.parts.map((part) => [
      <code>{part.name}</code>,
      part.what,
      bytes(part.limit_bytes),
      part.used_bytes === undefined ? "" : bytes(part.used_bytes),
    ])}
    empty=""
  />
);

/** Doctor and fsck: what the island beside this page says of them comes as it is found. */
const Checks = () => (
  <section
    id="checks"
    data-says={JSON.stringify({
      checkHeads: says.checkHeads,
      findingHeads: says.findingHeads,
      optional: says.optional,
      checking: says.checking,
      inspecting: says.inspecting,
      whole: says.whole,
      found: says.found,
      notChecked: says.notChecked,
      brokeOff: says.brokeOff,
      doctorOk: says.doctorOk,
      doctorLacks: says.doctorLacks,
    })}
  >
    <p class="quiet">{says.checksHelp}</p>
    <p class="row">
      <button type="button" id="doctor">
        {says.doctor}
      </button>
      <button type="button" id="fsck">
        {says.fsck}
      </button>
      <span id="checking" role="status" aria-live="polite"></span>
    </p>
    <div id="checked"></div>
  </section>
);

const BucketTable = ({ buckets }: Buckets) => (
  <Table
    label={says.buckets}
    heads={says.bucketHeads}
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
    empty={says.noBuckets}
  />
);

const ProviderTable = ({ providers }: Providers) => (
  <Table
    label={says.providers}
    heads={says.providerHeads}
    rows={providers.map((each) => [
      each.name,
      each.kind,
      <code>{each.base_url}</code>,
      each.has_key ? says.hasKey : says.hasNoKey,
      <span title={each.reason}>
        <State of={each.reachable ? "ready" : says.notReachable} /> <small>{each.reason ?? ""}</small>
      </span>,
      says.spent(each.spent_usd.toFixed(2), count(each.spent_tokens)),
      <Action
        method="POST"
        path={`/v1/chat/providers/${encodeURIComponent(each.name)}/test`}
        body={{}}
        notice={says.tested}
      >
        {says.test}
      </Action>,
    ])}
    empty={says.noProviders}
  />
);

const MaintenanceTable = ({ maintenance }: { maintenance: NonNullable<System["maintenance"]> }) => (
  <>
    <p>{maintenance.enabled ? says.scheduled(moment(maintenance.next_at ?? "")) : says.unscheduled}</p>
    <Table
      label={says.maintenance}
      heads={says.maintenanceHeads}
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
    <Action method="POST" path="/v1/catalog/maintain" body={{}} says={says.maintainSays}>
      {says.maintain}
    </Action>
  </>
);
