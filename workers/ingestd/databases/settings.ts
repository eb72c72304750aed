/** The tables `[ingestd.sources.*]`: databases of others whose tables are loaded. */
import type { Config } from "../../../runtime/config/config.ts";
import { checkTable, closed, t } from "../../../runtime/contract/contract.ts";
import { invalidField, suggestionsFor } from "../../../runtime/errors/errors.ts";
import { refusePassword, type Secrets } from "../../../runtime/secrets/secrets.ts";

const SourceTable = closed({
  url: t.String({ pattern: "^postgres(ql)?://\\S+$" }),
  /** Longest wait for a connection, and for the next rows. */
  timeout_ms: t.Optional(t.Integer({ minimum: 100, maximum: 3_600_000 })),
});
const usualTimeoutMs = 60_000;
const nameForm = /^[a-z][a-z0-9_-]{0,63}$/;

export interface Source {
  name: string;
  url: string;
  timeoutMs: number;
  /** From the secrets file or the environment. */
  password: string | undefined;
}

export type Sources = ReadonlyMap<string, Source>;

/** Checks every table. Throws an Error that names table and field. */
export function readSources(
  { ingestd: { sources } }: Pick<Config, "ingestd">,
  secrets: Pick<Secrets, "provider">,
): Sources {
  return new Map(
    Object.entries(sources).map(([name, given]) => {
      const place = `[ingestd.sources.${name}]`;
      if (!nameForm.test(name))
        throw new Error(`${place}: expected a name of 1 to 64 lower-case letters, digits, '_' or '-'`);
      const { url, timeout_ms: timeoutMs = usualTimeoutMs } = checkTable(SourceTable, given, place);
      refusePassword(url, place, name);
      return [name, { name, url, timeoutMs, password: secrets.provider(name) }];
    }),
  );
}

/** Throws `invalid_field` for one that is not configured. */
export function sourceOf(sources: Sources, name: string): Source {
  const source = sources.get(name);
  if (source) return source;
  const [best] = suggestionsFor(name, [...sources.keys()]);
  const known = sources.size > 0 ? `there are ${[...sources.keys()].join(", ")}` : "there is none";
  throw invalidField(
    "source",
    `${best === undefined ? "" : `did you mean '${best}'? `}Expected a database of [ingestd.sources.<name>]; ${known}, and no '${name}'`,
  );
}
