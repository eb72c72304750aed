/** The API page: one self-contained HTML document made from the OpenAPI document, without scripts. */
import type { Document, Operation, Parameter } from "./document.ts";

const text = (value: unknown): string =>
  String(value).replace(
    /[&<>"]/g,
    (char) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[char] ?? char,
  );

const style = `
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 18%, transparent); --soft: color-mix(in srgb, currentColor 6%, transparent) }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0; display: grid; grid-template-columns: 17rem minmax(0, 60rem); gap: 2rem }
nav { padding: 1.5rem 1rem; border-right: 1px solid var(--line); position: sticky; top: 0; height: 100vh; overflow: auto; box-sizing: border-box; font-size: 13px }
nav a { display: block; text-decoration: none; color: inherit; padding: 1px 0 } nav a:hover { text-decoration: underline }
nav b { display: block; margin-top: 1rem } main { padding: 1.5rem 1rem 6rem }
article { border-top: 1px solid var(--line); padding: 1rem 0 } h1 { margin-top: 0 } h3 { margin: 0; font: 600 15px ui-monospace, monospace }
.method { display: inline-block; min-width: 3.6rem; font-weight: 700 } table { border-collapse: collapse; margin: .5rem 0; width: 100% }
td, th { text-align: left; vertical-align: top; padding: .2rem .8rem .2rem 0; border-bottom: 1px solid var(--line); font-size: 13px }
code, pre { font: 13px ui-monospace, monospace } pre { background: var(--soft); padding: .6rem .8rem; overflow: auto; border-radius: 6px }
@media (max-width: 50rem) { body { display: block } nav { position: static; height: auto; border: 0 } }`;

const styleHash = new Bun.CryptoHasher("sha256").update(style).digest("base64");

/** The page needs its own style sheet and nothing else. */
export const docsHeaders = {
  "content-type": "text/html; charset=utf-8",
  "content-security-policy": `default-src 'none'; style-src 'sha256-${styleHash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
};

/** Renders the whole page. */
export function docsPage({ info, paths }: Document): string {
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  );
  const tags = [...new Set(operations.map(({ operation }) => operation.tags[0] ?? ""))];
  const groups = tags.map((tag) => ({
    tag,
    items: operations.filter(({ operation }) => operation.tags[0] === tag),
  }));
  const menu = groups.map(({ tag, items }) => `<b>${text(tag)}</b>${items.map(menuItem).join("")}`).join("");
  const main = groups.map(({ tag, items }) => `<h2>${text(tag)}</h2>${items.map(article).join("")}`).join("");
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${text(info.title)} API</title><style>${style}</style></head><body><nav><strong>${text(info.title)} API</strong>${menu}</nav>
<main><h1>${text(info.title)} API</h1><p>${text(info.description)} Machines read the same from <a href="/v1/openapi.json"><code>/v1/openapi.json</code></a>.
Errors are <code>{"error":{"message","type","code","request_id"}}</code>. With a token configured, send <code>Authorization: Bearer …</code>.</p>${main}</main></body></html>`;
}

interface Item {
  path: string;
  method: string;
  operation: Operation;
}

const menuItem = ({ path, method, operation }: Item): string =>
  `<a href="#${text(operation.operationId)}"><span class="method">${method}</span>${text(path)}</a>`;

const article = ({ path, method, operation }: Item): string => `<article id="${text(operation.operationId)}">
<h3><span class="method">${method}</span>${text(path)}</h3><p>${text(operation.summary)}</p>
${parameterTable(operation.parameters)}${body(operation)}${answers(operation)}</article>`;

function parameterTable(parameters: readonly Parameter[]): string {
  if (parameters.length === 0) return "";
  const rows = parameters.map(
    ({ name, in: place, required, description, schema }) =>
      `<tr><td><code>${text(name)}</code></td><td>${place}${required ? ", required" : ""}</td><td><code>${text(shape(schema))}</code> ${text(description ?? "")}</td></tr>`,
  );
  return `<table>${rows.join("")}</table>`;
}

function body({ requestBody }: Operation): string {
  return Object.entries(requestBody?.content ?? {})
    .map(([type, { schema }]) => `<p>Body <code>${text(type)}</code></p>${schemaBlock(schema)}`)
    .join("");
}

function answers({ responses }: Operation): string {
  const success = Object.entries(responses).find(([status, { content }]) => status < "300" && content)?.[1];
  return Object.entries(success?.content ?? {})
    .map(([type, { schema }]) => `<p>Answer <code>${text(type)}</code></p>${schemaBlock(schema)}`)
    .join("");
}

const schemaBlock = (schema: unknown): string => {
  const described = shape(schema, 0);
  return described === "any" ? "" : `<pre>${text(described)}</pre>`;
};

interface JsonSchema {
  type?: string;
  const?: unknown;
  enum?: unknown[];
  anyOf?: JsonSchema[];
  items?: JsonSchema;
  properties?: Record<string, JsonSchema>;
  required?: string[];
  minimum?: number;
  maximum?: number;
}

/** A schema as a reader wants it: field names, types, what is optional. */
function shape(schema: unknown, depth = 0): string {
  const {
    type,
    const: constant,
    enum: choices,
    anyOf,
    items,
    properties,
    required = [],
    minimum,
    maximum,
  } = schema as JsonSchema;
  if (constant !== undefined) return JSON.stringify(constant);
  if (choices) return choices.map((choice) => JSON.stringify(choice)).join(" | ");
  if (anyOf) return anyOf.map((option) => shape(option, depth)).join(" | ");
  if (items) return `${shape(items, depth)}[]`;
  if (properties) {
    const pad = "  ".repeat(depth + 1);
    const fields = Object.entries(properties).map(([name, field]) =>
      required.includes(name)
        ? `${pad}${name}: ${shape(field, depth + 1)}`
        : `${pad}${name}?: ${shape(field, depth + 1).replace(/ \| null$/, "")}`,
    );
    return `{\n${fields.join("\n")}\n${"  ".repeat(depth)}}`;
  }
  const range =
    minimum !== undefined || maximum !== undefined ? ` (${minimum ?? "…"} to ${maximum ?? "…"})` : "";
  return `${type ?? "any"}${range}`;
}
