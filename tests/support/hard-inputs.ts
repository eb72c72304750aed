/** One hard input after the other, beside callers who go on asking: what became of each, and what else happened. */
import { hardFiles } from "./hard-files.ts";
import { hardStatements } from "./hard-statements.ts";
import type { Product } from "./product.ts";

export const hardInputs: readonly string[] = [...hardStatements.keys(), ...hardFiles.keys()];

/** Statuses of an answer, and of a clear error, with its type. */
const clear =
  /^(200|400 (sql_error|invalid_field)|403 statement_not_allowed|408 timeout|413 too_large|422 (resource_exhausted|engine_crashed|unprocessable|rejected_rows))$/;

/** Sends one to the product; undefined when it ended clearly, else what it ended with. */
export async function sendHard(
  { url }: Product,
  name: string,
  timeoutMs: number,
): Promise<string | undefined> {
  const file = hardFiles.get(name);
  const response = file
    ? await fetch(`${url}/v1/ingest?name=hard`, {
        method: "POST",
        headers: { "content-type": file.type },
        body: file.make() as BodyInit,
      })
    : await fetch(`${url}/v1/sql`, {
        method: "POST",
        body: JSON.stringify({ sql: hardStatements.get(name), timeout_ms: timeoutMs }),
      });
  // A result that ends in its middle breaks: its caller sees that, and the next one begins.
  const text = await response.text().catch(() => "{}");
  const type = response.ok ? undefined : (JSON.parse(text) as { error: { type: string } }).error.type;
  if (response.ok && file) await fetch(`${url}/v1/catalog/manifest/hard`, { method: "DELETE" });
  const outcome = [response.status, type].filter(Boolean).join(" ");
  return clear.test(outcome) ? undefined : outcome;
}

export interface Others {
  answered: () => number;
  /** Ends their asking; what they were given instead of answers. */
  end: () => Promise<string[]>;
}

/** Callers who ask one thing again and again. */
export function askBeside({ url }: Product, callers: number): Others {
  let going = true;
  let answered = 0;
  const wrong: string[] = [];
  const ask = async () => {
    while (going) {
      const response = await fetch(`${url}/v1/sql`, {
        method: "POST",
        body: JSON.stringify({ sql: "SELECT count(*) AS n FROM range(1000)" }),
      });
      const text = await response.text();
      if (text !== '[{"n":1000}]') wrong.push(`${response.status} ${text.slice(0, 200)}`);
      answered += 1;
    }
  };
  const all = Array.from({ length: callers }, ask);
  return {
    answered: () => answered,
    end: async () => {
      going = false;
      await Promise.all(all);
      return wrong;
    },
  };
}

/** Services that were started more than once. */
export async function restarted({ url }: Product): Promise<string[]> {
  const { services } = (await (await fetch(`${url}/v1/system`)).json()) as {
    services: { name: string; restarts: number }[];
  };
  return services.filter(({ restarts }) => restarts > 0).map(({ name }) => name);
}
