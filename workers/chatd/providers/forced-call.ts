/**
 * A forced tool call (`tool_choice`) for providers that have none: the model is asked for JSON in the schema of the call, and
 * its output becomes the call.
 */

import { type OutputUnit, Validator } from "@cfworker/json-schema";
import { isObject } from "../../../runtime/json/json.ts";
import type { Json } from "../schemas/schemas.ts";
import { failure, type ProviderFailure } from "./provider.ts";

interface Tool {
  name: string;
  description?: string;
  parameters: Json;
}

export interface ForcedCall {
  /** One function: what is written are its arguments. Several: `{"name": …, "arguments": …}`. */
  tools: readonly Tool[];
  /** `stop` for a function that was named, as OpenAI ends such an answer; `tool_calls` for any of them. */
  finish: "stop" | "tool_calls";
}

/** The tools that a `tool_choice` allows, and whether one of them must be called. */
export function chosenTools({ tools = [], tool_choice: choice }: Json): {
  tools: Json[];
  forced?: ForcedCall;
} {
  const all = tools as Json[];
  if (choice === "none") return { tools: [] };
  if (choice === "required") return { tools: all, forced: { tools: all.map(toolOf), finish: "tool_calls" } };
  if (typeof choice !== "object" || choice === null) return { tools: all };
  const { type, function: named, allowed_tools: allowed } = choice as Json;
  if (type === "allowed_tools") {
    const { mode, tools: listed } = Object(allowed) as { mode?: unknown; tools?: unknown };
    const names = (Array.isArray(listed) ? listed : []).map((tool) => nameOf(Object(tool)));
    const left = all.filter((tool) => names.includes(nameOf(tool)));
    return {
      tools: left,
      ...(mode === "required" && { forced: { tools: left.map(toolOf), finish: "tool_calls" } }),
    };
  }
  const left = all.filter((tool) => nameOf(tool) === nameOf({ function: named }));
  return { tools: left, forced: { tools: left.map(toolOf), finish: "stop" } };
}

const nameOf = (tool: Json): unknown => (Object(tool.function) as Json).name;

function toolOf(tool: Json): Tool {
  const { name, description, parameters } = tool.function as Json;
  return {
    name: String(name),
    ...(typeof description === "string" && { description }),
    // A function without parameters takes an empty object.
    parameters: (parameters as Json | undefined) ?? { type: "object", properties: {} },
  };
}

/** The JSON schema of what is to be written. */
export function formOf({ tools }: ForcedCall): Json {
  const [only] = tools;
  if (only && tools.length === 1) return only.parameters;
  return {
    anyOf: tools.map(({ name }, at) => ({
      type: "object",
      properties: { name: { type: "string", enum: [name] }, arguments: { $ref: `#/$defs/tool${at}` } },
      required: ["name", "arguments"],
      additionalProperties: false,
    })),
    $defs: Object.fromEntries(
      tools.map(({ parameters }, at) => [`tool${at}`, rebased(parameters, `#/$defs/tool${at}`)]),
    ),
  };
}

/** A schema that stands inside another: its references begin there. */
function rebased(schema: unknown, place: string): unknown {
  if (Array.isArray(schema)) return schema.map((each) => rebased(each, place));
  if (typeof schema !== "object" || schema === null) return schema;
  return Object.fromEntries(
    Object.entries(schema).map(([key, value]) => [
      key,
      key === "$ref" && typeof value === "string" && value.startsWith("#")
        ? place + value.slice(1)
        : rebased(value, place),
    ]),
  );
}

/** The system message beside the schema: a grammar enforces the schema, but only words explain its purpose. */
export function wordsFor({ tools }: ForcedCall): string {
  const each = tools.map(
    ({ name, description, parameters }) =>
      `${name}${description === undefined ? "" : `: ${description}`}\n${JSON.stringify(parameters)}`,
  );
  const [what, of] =
    tools.length === 1
      ? ["the arguments of a call of this function", "function and JSON schema of its arguments"]
      : [
          '{"name": …, "arguments": …} for a call of one of these functions',
          "functions and JSON schemas of their arguments",
        ];
  return `Answer with one JSON object and nothing else: ${what}. The ${of}:\n${each.join("\n")}`;
}

export interface Called {
  name: string;
  /** JSON as it was written: a number may have more digits than a double keeps. */
  arguments: string;
}

/** Where the arguments begin in what is written for one of several functions. */
const opening = /^\s*\{\s*"name"\s*:\s*("(?:[^"\\]|\\.)*")\s*,\s*"arguments"\s*:\s*(?=\S)/;

/**
 * Reads a call while it is written. `take` gives what a piece adds, the name with the first; `end` gives the rest after
 * the complete call was validated, or nothing when the output was truncated. Both throw a ProviderFailure when the output
 * is no such call: another model may do better.
 */
export function callReader(forced: ForcedCall, { name: provider, id }: { name: string; id: string }) {
  const [only] = forced.tools;
  const isOne = forced.tools.length === 1;
  const pieces: string[] = [];
  const sent: string[] = [];
  let name: string | undefined;
  /** What may still be of the braces around the arguments. */
  let held = "";
  const wrong = (why: string): ProviderFailure => {
    const names = forced.tools.map((tool) => `'${tool.name}'`).join(" or ");
    return failure(
      "bad_gateway",
      `${provider} (model '${id}') was to call ${names} and wrote ${why}`,
      "next",
    );
  };
  const begin = (): string | undefined => {
    const text = pieces.join("").trimStart();
    if (text !== "" && !text.startsWith("{")) throw wrong("something that is no JSON object");
    if (isOne) {
      if (text !== "") name = only?.name;
      return text;
    }
    const found = opening.exec(text);
    if (!found) return undefined;
    name = JSON.parse(found[1] ?? "") as string;
    return text.slice(found[0].length);
  };
  return {
    take: (piece: string): Partial<Called> | undefined => {
      pieces.push(piece);
      const isFirst = name === undefined;
      const rest = isFirst ? begin() : held + piece;
      if (rest === undefined || name === undefined) return undefined;
      held = (isOne ? /\s*$/ : /[\s}]*$/).exec(rest)?.[0] ?? "";
      const given = rest.slice(0, rest.length - held.length);
      sent.push(given);
      return { ...(isFirst && { name }), arguments: given };
    },
    end: (isTruncated: boolean): Partial<Called> | undefined => {
      if (isTruncated) return undefined;
      const called = parseCall(pieces.join(""), forced);
      if (typeof called === "string") throw wrong(called);
      const before = sent.join("");
      if (name === undefined) return called;
      if (called.name !== name || !called.arguments.startsWith(before))
        throw wrong("a call that it changed while writing");
      return { arguments: called.arguments.slice(before.length) };
    },
  };
}

/** The call that the text is, or what is wrong with it. */
function parseCall(text: string, { tools }: ForcedCall): Called | string {
  const value = parsed(text);
  if (value === undefined) return "something that is no JSON object";
  const [only] = tools;
  const isOne = tools.length === 1;
  const { name, arguments: given } = isOne ? { name: only?.name, arguments: value } : value;
  const tool = tools.find((each) => each.name === name);
  if (!tool) return `a call of ${JSON.stringify(name) ?? "no function"}`;
  if (!isObject(given)) return "arguments that are no JSON object";
  const fault = faultIn(given, tool.parameters);
  if (fault !== undefined) return `arguments that do not hold its schema: ${fault}`;
  const written = isOne ? text.trim() : text.replace(opening, "").replace(/\s*\}\s*$/, "");
  return { name: tool.name, arguments: parsed(written) ? written : JSON.stringify(given) };
}

function parsed(text: string): Json | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** The first violation of the schema. A schema with dangling references is not enforced. */
function faultIn(given: Json, schema: Json): string | undefined {
  let errors: OutputUnit[];
  try {
    ({ errors } = new Validator(schema, "2020-12").validate(given));
  } catch {
    return undefined;
  }
  const last = errors.at(-1);
  return last && `${last.instanceLocation}: ${last.error}`.slice(0, 300);
}
