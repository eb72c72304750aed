/** The tables `[vectord.engines.*]`: engines of others that indexes may lie in. */
import type { Static, TObject } from "@sinclair/typebox";
import type { Config } from "../../../runtime/config/config.ts";
import { checkTable, closed, t } from "../../../runtime/contract/contract.ts";
import { fail, type ServiceError, suggestionsFor } from "../../../runtime/errors/errors.ts";
import { refusePassword, type Secrets } from "../../../runtime/secrets/secrets.ts";

const common = {
  /** What all of this store has there begins with it; two stores need two. */
  namespace: t.Optional(t.String({ pattern: "^[a-z][a-z0-9_]{0,39}$" })),
  /** Longest wait for a search, in milliseconds; a step of filling may take six times as long. */
  timeout_ms: t.Optional(t.Integer({ minimum: 10, maximum: 600_000 })),
};
const ofCluster = {
  url: t.String({ pattern: "^https?://[^/@?#\\s]+(/[^@?#\\s]*)?$" }),
  /** Parts of an index, spread over the nodes; what the engine chooses, unless it is said. */
  shards: t.Optional(t.Integer({ minimum: 1, maximum: 1024 })),
  /** Nodes that have each part. */
  replicas: t.Optional(t.Integer({ minimum: 1, maximum: 16 })),
};
const tables = {
  pgvector: closed({
    kind: t.Literal("pgvector"),
    url: t.String({ pattern: "^postgres(ql)?://\\S+$" }),
    ...common,
  }),
  weaviate: closed({ kind: t.Literal("weaviate"), ...ofCluster, ...common }),
  qdrant: closed({ kind: t.Literal("qdrant"), ...ofCluster, ...common }),
} satisfies Record<string, TObject>;

type Kind = keyof typeof tables;
type Tables = { [K in Kind]: Static<(typeof tables)[K]> };

/** One engine as configured. */
export type RemoteSettings = {
  [K in Kind]: Omit<Tables[K], "namespace" | "timeout_ms"> & {
    name: string;
    namespace: string;
    timeoutMs: number;
    /** From the secrets file or the environment. */
    key: string | undefined;
  };
}[Kind];
export type SettingsOf<K extends Kind> = Extract<RemoteSettings, { kind: K }>;

const nameForm = /^[a-z][a-z0-9_-]{0,63}$/;
/** The engines in this process. */
export const localName = "local";
const defaults = { namespace: "lakehouse", timeout_ms: 10_000 };

/** Checks every table. Throws an Error that names table and field. */
export function readRemotes(
  { vectord: { engines } }: Pick<Config, "vectord">,
  secrets: Pick<Secrets, "provider">,
): ReadonlyMap<string, RemoteSettings> {
  return new Map(
    Object.entries(engines).map(([name, given]) => {
      const place = `[vectord.engines.${name}]`;
      if (!nameForm.test(name) || name === localName)
        throw new Error(
          `${place}: expected a name of 1 to 64 lower-case letters, digits, '_' or '-', and not '${localName}'`,
        );
      const table = checkTable(tables[kindOf(given.kind, place)], given, place);
      refusePassword(table.url, place, name);
      const { namespace, timeout_ms: timeoutMs, ...rest } = { ...defaults, ...table };
      return [name, { ...rest, name, namespace, timeoutMs, key: secrets.provider(name) }];
    }),
  );
}

function kindOf(kind: unknown, place: string): Kind {
  const known = Object.keys(tables);
  if (typeof kind === "string" && known.includes(kind)) return kind as Kind;
  throw new Error(`${place} kind: expected ${known.join(" or ")}, got ${JSON.stringify(kind) ?? "nothing"}`);
}

export function unknownEngine(name: string, known: readonly string[]): ServiceError {
  const all = [localName, ...known];
  const [best] = suggestionsFor(name, all);
  const hint = best === undefined ? "" : `; did you mean '${best}'?`;
  return fail(
    "invalid_field",
    `engine: there is no engine '${name}'${hint} Expected one of ${all.join(", ")}; others are configured as [vectord.engines.<name>]`,
  );
}
