/** The tables `[queryd.engines.*]`: distributed engines over the same catalog, which callers name. */
import type { Static } from "@sinclair/typebox";
import type { Config } from "../../../runtime/config/config.ts";
import { checkTable, closed, t } from "../../../runtime/contract/contract.ts";
import { fail, suggestionsFor } from "../../../runtime/errors/errors.ts";
import type { Secrets } from "../../../runtime/secrets/secrets.ts";

const name = t.Optional(t.String({ minLength: 1, maxLength: 256 }));

const Table = closed({
  kind: t.Literal("trino"),
  url: t.String({ pattern: "^https?://[^/@?#\\s]+(/[^@?#\\s]*)?$" }),
  catalog: name,
  schema: name,
  user: name,
});

/** One engine as configured. */
export interface RemoteEngine extends Omit<Static<typeof Table>, "kind"> {
  name: string;
  user: string;
  /** A token, or `user:password`; from the secrets file, as a model provider's. */
  key: string | undefined;
}

const nameForm = /^[a-z][a-z0-9_-]{0,63}$/;
/** The engine in this process's own children. */
const localName = "local";

/** Checks every table. Throws an Error that names table and field. */
export function readRemoteEngines(
  { queryd: { engines } }: Pick<Config, "queryd">,
  secrets: Pick<Secrets, "provider">,
): ReadonlyMap<string, RemoteEngine> {
  return new Map(
    Object.entries(engines).map(([name, given]) => {
      const place = `[queryd.engines.${name}]`;
      if (!nameForm.test(name) || name === localName)
        throw new Error(
          `${place}: expected a name of 1 to 64 lower-case letters, digits, '_' or '-', and not '${localName}'`,
        );
      const { kind: _, url, ...table } = checkTable(Table, given, place);
      const key = secrets.provider(name);
      return [name, { user: "lakehouse", ...table, url: url.replace(/\/+$/, ""), name, key }];
    }),
  );
}

/** The engine that a request names; undefined for the one here. Throws `invalid_field` with those there are. */
export function remoteEngine(
  engines: ReadonlyMap<string, RemoteEngine>,
  name: string | undefined,
): RemoteEngine | undefined {
  if (name === undefined || name === localName) return undefined;
  const engine = engines.get(name);
  if (engine) return engine;
  const known = [localName, ...engines.keys()];
  const [best] = suggestionsFor(name, known);
  throw fail(
    "invalid_field",
    `engine: there is no engine '${name}'${best === undefined ? "" : `; did you mean '${best}'?`} Expected one of ${known.join(", ")}; others are configured as [queryd.engines.<name>]`,
  );
}
