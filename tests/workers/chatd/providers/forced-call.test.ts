/** A tool that must be called, of a model that is held to JSON alone. */
import { describe, expect, test } from "bun:test";
import {
  type Called,
  callReader,
  chosenTools,
  type ForcedCall,
  formOf,
  wordsFor,
} from "../../../../workers/chatd/providers/forced-call.ts";
import { ProviderFailure } from "../../../../workers/chatd/providers/provider.ts";
import type { Json } from "../../../../workers/chatd/schemas/schemas.ts";

const tool = (name: string, parameters?: object, description?: string) => ({
  type: "function",
  function: { name, ...(parameters && { parameters }), ...(description && { description }) },
});
const person = {
  type: "object",
  properties: { name: { type: "string" }, age: { type: "integer" } },
  required: ["name"],
  additionalProperties: false,
};
const tree = {
  type: "object",
  properties: { root: { $ref: "#/$defs/node" } },
  $defs: { node: { type: "object", properties: { next: { $ref: "#" } } } },
};
const forcedOf = (body: object): ForcedCall => chosenTools(body as Json).forced as ForcedCall;
const one = forcedOf({ tools: [tool("person", person, "a person")], tool_choice: "required" });
const two = forcedOf({ tools: [tool("person", person), tool("tree", tree)], tool_choice: "required" });

/** Reads the text in pieces of that many characters. */
function read(forced: ForcedCall, text: string, { size = 3, isTruncated = false } = {}): Called {
  const reader = callReader(forced, { name: "ollama", id: "m" });
  const called = { name: "", arguments: "" };
  const add = (part: Partial<Called> | undefined) => {
    called.name += part?.name ?? "";
    called.arguments += part?.arguments ?? "";
  };
  for (let at = 0; at < text.length; at += size) add(reader.take(text.slice(at, at + size)));
  add(reader.end(isTruncated));
  return called;
}

describe("the choice", () => {
  const tools = [tool("person", person), tool("tree", tree)];
  const names = (body: object) => {
    const { tools: left, forced } = chosenTools(body as Json);
    return [
      left.map(({ function: each }) => (each as Json).name),
      forced?.tools.map(({ name }) => name),
      forced?.finish,
    ];
  };
  const named = { type: "function", function: { name: "tree" } };
  const allowed = (mode: string) => ({
    type: "allowed_tools",
    allowed_tools: { mode, tools: [{ type: "function", function: { name: "tree" } }] },
  });
  test.each([
    [undefined, [["person", "tree"], undefined, undefined]],
    ["auto", [["person", "tree"], undefined, undefined]],
    ["none", [[], undefined, undefined]],
    ["required", [["person", "tree"], ["person", "tree"], "tool_calls"]],
    [named, [["tree"], ["tree"], "stop"]],
    [allowed("auto"), [["tree"], undefined, undefined]],
    [allowed("required"), [["tree"], ["tree"], "tool_calls"]],
  ])("%j", (choice, expected) => {
    expect(names({ tools, tool_choice: choice }) as unknown[]).toEqual(expected);
  });
});

test("one function's form is its schema, one of several is named; references are of where they stand", () => {
  expect(formOf(one)).toEqual(person);
  expect(formOf(two)).toMatchObject({
    anyOf: [
      { properties: { name: { enum: ["person"] }, arguments: { $ref: "#/$defs/tool0" } } },
      { properties: { name: { enum: ["tree"] }, arguments: { $ref: "#/$defs/tool1" } } },
    ],
    $defs: {
      tool0: person,
      tool1: {
        properties: { root: { $ref: "#/$defs/tool1/$defs/node" } },
        $defs: { node: { properties: { next: { $ref: "#/$defs/tool1" } } } },
      },
    },
  });
  expect(formOf(forcedOf({ tools: [tool("stop")], tool_choice: "required" }))).toEqual({
    type: "object",
    properties: {},
  });
});

test("the model is told what the functions are for", () => {
  expect(wordsFor(one)).toContain("person: a person");
  expect(wordsFor(two)).toContain(JSON.stringify(tree));
});

describe("what was written", () => {
  const long = '{"name":"Ann } \\" {","age":12345678901234567890}';
  test.each([1, 2, 7, 1000])("is the call, however it is cut (%i characters)", (size) => {
    expect(read(one, ` \n${long} \n`, { size })).toEqual({ name: "person", arguments: long });
    const wrapped = `{ "name" : "person", "arguments": ${long} } \n`;
    expect(read(two, wrapped, { size })).toEqual({ name: "person", arguments: long });
    const nested = '{"name":"tree","arguments":{"root":{"next":{"root":{}}}}}';
    expect(read(two, nested, { size })).toEqual({
      name: "tree",
      arguments: '{"root":{"next":{"root":{}}}}',
    });
    // In another order it is read when it is whole.
    const turned = '{"arguments":{"name":"Bo"},"name":"person"}';
    expect(read(two, turned, { size })).toEqual({ name: "person", arguments: '{"name":"Bo"}' });
  });

  test("is given while it is written", () => {
    const reader = callReader(two, { name: "ollama", id: "m" });
    expect(reader.take('{"name":"per')).toBeUndefined();
    expect(reader.take('son","arguments":{"na')).toEqual({ name: "person", arguments: '{"na' });
    expect(reader.take('me":"Ann"}')).toEqual({ arguments: 'me":"Ann"' });
    expect(reader.take("}")).toEqual({ arguments: "" });
    expect(reader.end(false)).toEqual({ arguments: "}" });
  });

  test("and was stopped in the midst is given as far as it goes", () => {
    expect(read(one, '{"name":"An', { isTruncated: true })).toEqual({
      name: "person",
      arguments: '{"name":"An',
    });
    expect(read(two, '{"name":"person","arguments":{"na', { isTruncated: true })).toEqual({
      name: "person",
      arguments: '{"na',
    });
  });

  const wrong: [string, ForcedCall, string, string][] = [
    ["prose", one, "Sure! Here it is", "is no JSON object"],
    ["nothing", one, "", "is no JSON object"],
    ["a list", one, "[1]", "is no JSON object"],
    ["half a call", one, '{"name":"Ann"', "is no JSON object"],
    ["two calls", one, '{"name":"Ann"}{"name":"Bo"}', "is no JSON object"],
    ["a field too many", one, '{"name":"Ann","x":1}', "do not hold its schema"],
    ["a field too few", one, '{"age":1}', 'does not have required property "name"'],
    ["a wrong type", one, '{"name":"Ann","age":"old"}', 'Instance type "string" is invalid'],
    ["another function", two, '{"name":"drop","arguments":{}}', 'a call of "drop"'],
    ["no function", two, '{"arguments":{}}', "a call of no function"],
    ["arguments that are text", two, '{"name":"tree","arguments":"{}"}', "arguments that are no JSON object"],
    ["another name later", two, '{"name":"tree","arguments":{},"name":"person"}', "do not hold its schema"],
    [
      "other arguments later",
      two,
      '{"name":"tree","arguments":{"root":{}},"arguments":{}}',
      "that it changed while writing",
    ],
  ];
  test.each(wrong)("%s is a failure for the next model", (_name, forced, text, says) => {
    for (const size of [1, 1000]) {
      const failed = (() => {
        try {
          return read(forced, text, { size });
        } catch (cause) {
          return cause;
        }
      })();
      expect(failed).toBeInstanceOf(ProviderFailure);
      const { error, remedy } = failed as ProviderFailure;
      expect([error.type, remedy]).toEqual(["bad_gateway", "next"]);
      expect(error.message).toContain(says);
    }
  });
});
