/** `null` in an optional field is the field's absence, in every contract; what takes null keeps it. */
import { describe, expect, test } from "bun:test";
import type { TSchema } from "@sinclair/typebox";
import { mounted } from "../../../api/gateway/mounted.ts";
import { closed, type Endpoint, inputSchemas, t } from "../../../runtime/contract/endpoints.ts";
import { check, withoutNulls } from "../../../runtime/contract/validate.ts";
import { durable } from "../../../runtime/worker/durable-endpoints.ts";
import { SqlRequest } from "../../../workers/queryd/contract.ts";
import { AddBody } from "../../../workers/vectord/contract.ts";

const inner = closed({ a: t.Optional(t.Integer()), b: t.String() });
const schema = closed({
  name: t.String(),
  note: t.Optional(t.String()),
  any: t.Optional(t.Unknown()),
  maybe: t.Optional(t.Union([t.String(), t.Null()])),
  list: t.Optional(t.Array(inner)),
  table: t.Optional(t.Record(t.String(), inner)),
  either: t.Optional(t.Union([inner, t.Array(inner)])),
  free: t.Optional(t.Record(t.String(), t.Unknown())),
});

describe("null in an optional field", () => {
  const rows: [what: string, given: unknown, right: unknown][] = [
    ["is its absence", { name: "x", note: null }, { name: "x" }],
    ["stays where any value is taken", { name: "x", any: null }, { name: "x", any: null }],
    ["stays where the schema takes it", { name: "x", maybe: null }, { name: "x", maybe: null }],
    ["in a list", { name: "x", list: [{ a: null, b: "" }] }, { name: "x", list: [{ b: "" }] }],
    ["in a table", { name: "x", table: { k: { a: null, b: "" } } }, { name: "x", table: { k: { b: "" } } }],
    ["in one of several forms", { name: "x", either: { a: null, b: "" } }, { name: "x", either: { b: "" } }],
    [
      "in a list of several forms",
      { name: "x", either: [{ a: null, b: "" }] },
      { name: "x", either: [{ b: "" }] },
    ],
    [
      "stays inside of what is the caller's own",
      { name: "x", free: { k: null } },
      { name: "x", free: { k: null } },
    ],
  ];
  test.each(rows)("%s", (_, given, right) => {
    const before = structuredClone(given);
    expect<unknown>(check(schema, given, "the body")).toEqual(right);
    expect(given).toEqual(before);
  });
  test("is refused where the field must be there, or is no field", () => {
    expect(() => check(schema, { name: null }, "the body")).toThrow("name: expected string, got null");
    expect(() => check(schema, { name: "x", list: [null] }, "the body")).toThrow("list.0");
    expect(() => check(schema, { name: "x", nonsense: null }, "the body")).toThrow(
      "unknown field 'nonsense'",
    );
  });
  test("costs nothing where there is none: the same object comes back", () => {
    const body = { items: [{ id: "a", vector: [1, 2], metadata: { k: null } }] };
    expect(check(AddBody, body, "the body")).toBe(body as never);
    expect(check(SqlRequest, { sql: "x", params: [null], limit: null }, "the body")).toEqual({
      sql: "x",
      params: [null],
    });
  });
});

/** A value that the schema takes for each field that must be there. */
describe("every optional field of every public endpoint takes null", () => {
  const endpoints = [...Object.values(mounted), durable].flatMap(({ name, endpoints: own }) =>
    Object.entries(own as Record<string, Endpoint>).map(
      ([verb, endpoint]) => [`${name}.${verb}`, endpoint] as const,
    ),
  );
  const optional = (object: TSchema): string[] =>
    Object.keys(object.properties).filter((field) => !(object.required ?? []).includes(field));
  test.each(endpoints)("%s", (_, endpoint) => {
    for (const part of inputSchemas(endpoint)) {
      const nulls = Object.fromEntries(optional(part).map((field) => [field, null]));
      const left = withoutNulls(part, nulls) as Record<string, unknown>;
      for (const field of Object.keys(left))
        expect(() => check(part.properties[field] as TSchema, null, field)).not.toThrow();
    }
  });
});
