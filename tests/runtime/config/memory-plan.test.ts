/** All that may be taken of memory together, in containers of several sizes. */
import { expect, test } from "bun:test";
import { defaults } from "../../../runtime/config/loading.ts";
import { overcommitted, planMemory } from "../../../runtime/config/memory-plan.ts";
import type { ServiceSection } from "../../../runtime/config/settings.ts";
import { memoryBytes } from "../../../runtime/memory/memory.ts";
import { topology } from "../../../runtime/topology.ts";
import { configWith } from "../../support/stacks/in-process.ts";

const MiB = 1024 * 1024;
const GiB = 1024 * MiB;
const all = Object.keys(topology) as ServiceSection[];

test.each([512 * MiB, GiB, 2 * GiB, 4 * GiB, 16 * GiB, 256 * GiB])(
  "the defaults fit into %d bytes, and each is of use",
  (available) => {
    const plan = planMemory(defaults(), all, available);
    expect(plan.planned).toBeLessThanOrEqual(available);
    expect(overcommitted(plan)).toBeUndefined();
    for (const { bytes } of plan.parts) expect(bytes).toBeGreaterThan(MiB / 2);
    const { queryd, vectord, embedd } = plan.config;
    expect(memoryBytes(queryd.memory_limit)).toBeLessThanOrEqual(2e9);
    expect(vectord.max_memory_bytes).toBeGreaterThan(plan.config.pathwayd.max_memory_bytes);
    expect(embedd.cache_max_bytes).toBeLessThanOrEqual(256 * MiB);
  },
);

test("the catalog of PostgreSQL's clients is counted where their door is open, and taken from the others", () => {
  const [without, bound] = ["", "127.0.0.1:3223"].map((bind) =>
    planMemory(configWith({ pgwire: { bind } }), all, 2 * GiB),
  );
  const ofPgwire = bound?.parts.filter(({ name }) => name.startsWith("pgwire"));
  expect(ofPgwire).toMatchObject([{ name: "pgwire.bind", bytes: 280_000_000 }]);
  expect(without?.parts.some(({ name }) => name.startsWith("pgwire"))).toBe(false);
  expect(bound?.config.vectord.max_memory_bytes).toBeLessThan(without?.config.vectord.max_memory_bytes ?? 0);
  expect(bound?.planned).toBeLessThanOrEqual(2 * GiB);
});

test("a large machine has what the configuration names", () => {
  const { queryd, ingestd, embedd } = planMemory(defaults(), all, 32 * GiB).config;
  expect([queryd.memory_limit, ingestd.memory_limit, embedd.cache_max_bytes]).toEqual([
    "2000MB",
    "2000MB",
    256 * MiB,
  ]);
});

test("what somebody set is kept, the others get what is left, and too much is told with the figures", () => {
  const given = configWith({ vectord: { max_memory_bytes: GiB }, queryd: { memory_limit: "500MB" } });
  const fits = planMemory(given, all, 4 * GiB);
  expect(fits.config.vectord.max_memory_bytes).toBe(GiB);
  expect(fits.config.queryd.memory_limit).toBe("500MB");
  expect(fits.planned).toBeLessThanOrEqual(4 * GiB);
  const told = overcommitted(planMemory(given, all, GiB));
  expect(told).toContain("and 1074 MB are there");
  expect(told).toContain("vectord.max_memory_bytes 1074 MB, queryd.memory_limit 750 MB");
});

test.each([2 * GiB, 4 * GiB, 16 * GiB])("models that were added have their part of %d bytes", (available) => {
  const without = planMemory(defaults(), all, available, false);
  const plan = planMemory(defaults(), all, available, true);
  const part = plan.parts.find(({ name }) => name === "embedd.onnx_max_bytes");
  expect(part?.bytes).toBe(plan.config.embedd.onnx_max_bytes);
  expect(part?.bytes).toBeLessThanOrEqual(GiB);
  expect(part?.bytes).toBeGreaterThan(300 * MiB);
  expect(overcommitted(plan)).toBeUndefined();
  expect(without.parts.some(({ name }) => name === "embedd.onnx_max_bytes")).toBe(false);
  expect(without.config.vectord.max_memory_bytes).toBeGreaterThan(plan.config.vectord.max_memory_bytes);
});

test("models that were given more than there is are told of at the start", () => {
  const given = configWith({ embedd: { onnx_max_bytes: 8 * GiB } });
  expect(overcommitted(planMemory(given, all, 4 * GiB, true))).toContain("embedd.onnx_max_bytes 8590 MB");
  expect(overcommitted(planMemory(given, all, 4 * GiB, false))).toBeUndefined();
});

test("services that run elsewhere take nothing here", () => {
  const { parts } = planMemory(defaults(), ["vectord"], GiB);
  expect(parts.map(({ name }) => name)).toEqual(["lakehouse", "vectord.max_memory_bytes"]);
});

test("where not even the least of each fits together, that is told", () => {
  expect(overcommitted(planMemory(defaults(), all, 384 * MiB))).toContain("and 403 MB are there");
});

test("less than the product needs to be there is refused", () => {
  expect(() => planMemory(defaults(), all, 256 * MiB)).toThrow(
    "364 MB of memory are needed, and 268 MB are there",
  );
});
