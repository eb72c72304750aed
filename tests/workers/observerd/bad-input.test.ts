/** What observerd refuses of events and of questions about them: one row a mistake, and nothing is recorded by any. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type ApiCase, refused, runCases, says } from "../../support/clients/api-case.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";
import { type InProcessObserverd, startObserverd } from "../../support/stacks/observerd.ts";

const large = says("too_large");

const directory = temporaryDirectory("observerd");
let service: InProcessObserverd;
beforeAll(async () => {
  service = await startObserverd({ dataDir: directory.path, section: { max_event_bytes: 4096 } });
  await service.peer.verbs.event({ endpoint: "/kept", success: false, duration_ms: 1, error: "kept" });
});
afterAll(async () => {
  await service.stop();
  directory.remove();
});

const whole = { endpoint: "/v1/sql", success: true, duration_ms: 3 };
type Row = Omit<ApiCase, "name">;
const event = (body: ApiCase["body"], more: Partial<ApiCase> = {}): Row => ({
  method: "POST",
  path: "/observer/event",
  body,
  type: "invalid_field",
  ...more,
});
const get = (path: string, more: Partial<ApiCase> = {}): Row => ({
  path: `/observer/${path}`,
  type: "invalid_field",
  lacks: [directory.path],
  ...more,
});
const changed = (more: object) => event({ ...whole, ...more });
const { endpoint: _, ...withoutEndpoint } = whole;
const { success: __, ...withoutSuccess } = whole;
const { duration_ms: ___, ...withoutDuration } = whole;
const json = { "content-type": "application/json" };
const token = (text: string) => Buffer.from(text).toString("base64url");

const events: ApiCase[] = [
  { name: "no endpoint", ...event(withoutEndpoint), contains: ["endpoint", "missing"] },
  { name: "an empty endpoint", ...changed({ endpoint: "" }), contains: ["endpoint"] },
  { name: "an endpoint that is no text", ...changed({ endpoint: 7 }), contains: ["endpoint", "got 7"] },
  { name: "an endpoint without end", ...changed({ endpoint: "e".repeat(1001) }), contains: ["endpoint"] },
  { name: "no success", ...event(withoutSuccess), contains: ["success", "missing"] },
  { name: "a success in words", ...changed({ success: "yes" }), contains: ["success", "yes"] },
  { name: "no duration", ...event(withoutDuration), contains: ["duration_ms", "missing"] },
  { name: "a duration below none", ...changed({ duration_ms: -1 }), contains: ["duration_ms", "-1"] },
  { name: "a duration in words", ...changed({ duration_ms: "3ms" }), contains: ["duration_ms"] },
  { name: "an empty source", ...changed({ source: "" }), contains: ["source"] },
  { name: "a source of several words", ...changed({ source: "my agent" }), contains: ["source", "my agent"] },
  { name: "a source with a line feed", ...changed({ source: "a\nb" }), contains: ["source"] },
  { name: "a source without end", ...changed({ source: "s".repeat(65) }), contains: ["source"] },
  { name: "a time in words", ...changed({ timestamp: "yesterday" }), contains: ["timestamp", "yesterday"] },
  {
    name: "a time without its zone",
    ...changed({ timestamp: "2026-01-01T00:00:00" }),
    contains: ["timestamp"],
  },
  {
    name: "a month that is none",
    ...changed({ timestamp: "2026-13-01T00:00:00Z" }),
    contains: ["2026-13-01"],
  },
  { name: "a day that is none", ...changed({ timestamp: "2026-02-30T00:00:00Z" }), contains: ["2026-02-30"] },
  {
    name: "an hour that is none",
    ...changed({ timestamp: "2026-02-03T25:00:00Z" }),
    contains: ["timestamp"],
  },
  { name: "a time far ahead", ...changed({ timestamp: "2126-01-01T00:00:00Z" }), contains: ["day ahead"] },
  { name: "a time as a number", ...changed({ timestamp: 1767225600 }), contains: ["timestamp"] },
  { name: "an error that is no text", ...changed({ error: { message: "m" } }), contains: ["error"] },
  { name: "attributes in a list", ...changed({ attributes: ["a"] }), contains: ["attributes"] },
  { name: "a model without a name", ...changed({ model: "" }), contains: ["model"] },
  { name: "a run without a name", ...changed({ run_id: "" }), contains: ["run_id"] },
  refused("a field nobody knows", changed({ sucess: true }), "unknown_field", "sucess", "success"),
  refused("an id of the caller's own", changed({ id: "mine" }), "unknown_field", "'id'"),
  {
    name: "more than an event may hold",
    ...event({ ...whole, output_summary: "x".repeat(5000) }, large()),
    contains: ["4096", "observerd.max_event_bytes"],
  },
  {
    name: "attributes larger than an event may be",
    ...event({ ...whole, attributes: { a: "é".repeat(2500) } }, large()),
  },
  refused("no body", event(undefined, { headers: json }), "invalid_json"),
  refused("a body cut short", event('{"endpoint":"/a"', { headers: json }), "invalid_json"),
  refused("a list of events", event([whole]), "invalid_json"),
  refused("a query", { ...event(whole), path: "/observer/event?source=mcp" }, "unknown_field", "source"),
  refused("by GET", { path: "/observer/event" }, "method_not_allowed"),
];

const questions: ApiCase[] = [
  { name: "events on a page of none", ...get("events?page_size=0"), contains: ["page_size"] },
  {
    name: "reviews on a page too large",
    ...get("reviews/waiting?page_size=101"),
    contains: ["page_size"],
  },
  {
    name: "reviews by a word",
    ...get("reviews/waiting?run=a", { type: "unknown_field" }),
    contains: ["run"],
  },
  { name: "events on a page too large", ...get("events?page_size=10001"), contains: ["page_size"] },
  { name: "events after a token that is none", ...get("events?page_token=x"), contains: ["page_token"] },
  {
    name: "events after a token of clusters",
    ...get(`events?page_token=${token("after:3:00ff00ff00ff00ff")}`),
  },
  { name: "events since no time", ...get("events?since=monday"), contains: ["since"] },
  { name: "events since 30 February", ...get("events?since=2026-02-30T00:00:00Z"), contains: ["since"] },
  { name: "events of a success in words", ...get("events?success=maybe"), contains: ["success"] },
  refused("events by a filter nobody knows", get("events?model=x"), "unknown_field", "model"),
  { name: "events of two sources", ...get("events?source=a&source=b"), contains: ["source"] },
  {
    name: "failures after a token that is none",
    ...get("failures?page_token=%00"),
    contains: ["page_token"],
  },
  { name: "failures after a token of events", ...get(`failures?page_token=${token("below:3")}`) },
  { name: "failures since no time", ...get("failures?since=2026-99-99T00:00:00Z"), contains: ["since"] },
  { name: "failures of no endpoint", ...get("failures?endpoint="), contains: ["endpoint"] },
  refused("statistics with a filter", get("stats?source=mcp"), "unknown_field", "source"),
  refused("loops by POST", { method: "POST", path: "/observer/loops" }, "method_not_allowed"),
  refused("nothing", { path: "/observer" }, "not_found"),
];

describe("an event with", () => runCases(events, () => service.send));
describe("asking for", () => runCases(questions, () => service.send));

test("nothing of it was recorded", async () => {
  const { total } = await service.peer.verbs.stats({});
  expect(total).toBe(1);
  expect((await service.peer.verbs.events({})).events.map(({ endpoint }) => endpoint)).toEqual(["/kept"]);
});
