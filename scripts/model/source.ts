/** Where a model comes from: a folder, or a hub that serves repositories as Hugging Face does. Every byte is checked there. */
import { copyFileSync, readdirSync, readFileSync, statSync } from "node:fs";
import { open, writeFile } from "node:fs/promises";
import { basename, join, relative } from "node:path";
import { fetchUpstream } from "../../runtime/upstream/upstream.ts";

export interface Source {
  /** As it was named, with its revision. */
  title: string;
  /** Paths of its files, with their sizes in bytes. */
  files: ReadonlyMap<string, number>;
  /** A small file's text; undefined where there is none. */
  text: (path: string) => Promise<string | undefined>;
  copy: (path: string, to: string) => Promise<void>;
}

/** Files looked at below a folder: a model's has a dozen. */
const filesMax = 2000;

export function folderSource(folder: string): Source {
  const paths = readdirSync(folder, { recursive: true, encoding: "utf8" }).slice(0, filesMax);
  const files = new Map(
    paths.flatMap((path) => {
      const stat = statSync(join(folder, path));
      return stat.isFile() ? [[relative(folder, join(folder, path)), stat.size] as const] : [];
    }),
  );
  return {
    title: folder,
    files,
    text: async (path) => (files.has(path) ? readFileSync(join(folder, path), "utf8") : undefined),
    copy: async (path, to) => copyFileSync(join(folder, path), to),
  };
}

interface Entry {
  type: string;
  path: string;
  size: number;
  /** SHA-1 of the file as git has it. */
  oid: string;
  /** SHA-256 of a large file. */
  lfs?: { oid: string };
}

interface Hub {
  /** As https://huggingface.co. */
  url: string;
  repository: string;
  revision: string;
}

/** Throws for a repository or revision that is not there. */
export async function hubSource({ url, repository, revision }: Hub): Promise<Source> {
  const name = `${repository}@${revision}`;
  const answer = await asked(`${url}/api/models/${repository}/tree/${revision}?recursive=true`, name);
  const entries = ((await answer.json()) as Entry[]).filter(({ type }) => type === "file");
  const byPath = new Map(entries.map((entry) => [entry.path, entry]));
  const copy = async (path: string, to: string) => {
    const entry = byPath.get(path);
    if (entry === undefined) throw new Error(`${name} has no ${path}`);
    const body = (await asked(`${url}/${repository}/resolve/${revision}/${path}`, name)).body;
    await (entry.lfs === undefined ? keepSmall(body, entry, to) : keepLarge(body, entry.lfs.oid, to)).catch(
      (cause: unknown) => {
        throw new Error(`${path} of ${name}: ${cause instanceof Error ? cause.message : String(cause)}`, {
          cause,
        });
      },
    );
  };
  return {
    title: name,
    files: new Map(entries.map(({ path, size }) => [path, size])),
    text: async (path) => {
      const entry = byPath.get(path);
      if (entry === undefined) return undefined;
      return (await asked(`${url}/${repository}/resolve/${revision}/${path}`, name)).text();
    },
    copy,
  };
}

type Body = ReadableStream<Uint8Array> | null;

const wrong = () => new Error("other bytes came than the hub says it has: nothing was added; try again");

async function keepSmall(body: Body, { oid, size }: Entry, to: string): Promise<void> {
  const bytes = new Uint8Array(await new Response(body).arrayBuffer());
  const found = new Bun.CryptoHasher("sha1").update(`blob ${size}\0`).update(bytes).digest("hex");
  if (found !== oid) throw wrong();
  await writeFile(to, bytes);
}

async function keepLarge(body: Body, sha256: string, to: string): Promise<void> {
  const hash = new Bun.CryptoHasher("sha256");
  const file = await open(to, "w");
  try {
    for await (const piece of body ?? []) {
      hash.update(piece);
      await file.writeFile(piece);
    }
  } finally {
    await file.close();
  }
  if (hash.digest("hex") !== sha256) throw wrong();
}

const redirectsMax = 5;

/** Hubs keep large files elsewhere and send there; what comes is checked, and no key is sent. */
async function asked(url: string, name: string): Promise<Response> {
  let target = url;
  for (let hop = 0; hop <= redirectsMax; hop++) {
    const response = await fetchUpstream(target).catch((cause: unknown) => {
      throw new Error(
        `${new URL(target).host} cannot be reached (${String(cause)}): check the network and HF_ENDPOINT, or add the model from a folder`,
        { cause },
      );
    });
    const place = response.headers.get("location");
    if (response.status >= 300 && response.status < 400 && place !== null)
      target = new URL(place, target).href;
    else if (response.status === 200) return response;
    else
      throw new Error(
        `${new URL(target).host} answered ${response.status} for ${name}: expected a public repository OWNER/NAME${response.status === 404 ? ", and a --revision that it has" : ""}`,
      );
  }
  throw new Error(`${new URL(url).host} sends from address to address`);
}

/** The graph to take: the one named, else one in 8 bits, else the only one or the first by the usual names. */
export function graphOf({ files, title }: Source, named: string | undefined): string {
  const graphs = [...files.keys()].filter((path) => path.endsWith(".onnx")).sort();
  if (named !== undefined) {
    if (graphs.includes(named)) return named;
    throw new Error(`--file: ${title} has no '${named}'; its graphs are ${graphs.join(", ") || "none"}`);
  }
  const [first] = graphs;
  if (first === undefined)
    throw new Error(`${title} has no .onnx file: export the model to ONNX, or name another`);
  const byName = (name: string) => graphs.find((path) => basename(path) === name);
  return byName("model_quantized.onnx") ?? byName("model_int8.onnx") ?? byName("model.onnx") ?? first;
}
