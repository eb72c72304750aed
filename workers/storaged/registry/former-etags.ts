/**
 * Objects keep their etags when a restore puts them elsewhere: the catalog names them by these, and an S3 server makes
 * other ones of the same bytes than a disk or another server does.
 */
import { join } from "node:path";
import type { Static } from "@sinclair/typebox";
import { check } from "../../../runtime/contract/contract.ts";
import { readOrNull } from "../../../runtime/durable/durable.ts";
import type { Deps } from "../../../runtime/service/service.ts";
import type { Bucket, Conditions, ObjectInfo } from "../bucket/bucket.ts";
import { FormerEtag, formerEtagsFile } from "../contract.ts";
import { type BucketRegistry, withUploads, wrapped } from "./configured.ts";

type Known = Map<string, { now: string; before: string }>;

/**
 * The buckets, in which what was restored has the etags from before. Throws when the list of these is damaged, or is not
 * the one that was there at the first start.
 */
export async function withFormerEtags(
  registry: BucketRegistry,
  { directory, marks, adopted }: Pick<Deps, "directory" | "marks" | "adopted">,
): Promise<BucketRegistry> {
  const path = join(directory, formerEtagsFile);
  const bytes = await readOrNull(path);
  const { sha256 } = marks.get(formerEtagsFile) ?? {};
  const found = bytes ? Bun.SHA256.hash(bytes, "hex") : "";
  if (sha256 !== undefined && sha256 !== found && !adopted(`storaged/${formerEtagsFile}`))
    throw new Error(
      `${path} is ${bytes ? "not what the restore wrote" : "missing"}, and objects would have other etags than the catalog names: put it back, or restore the backup once more, into a new directory; or take what is there: bun run supervisor --adopt=storaged/${formerEtagsFile}`,
    );
  if (bytes === null) {
    marks.remove(formerEtagsFile);
    return registry;
  }
  const former = new Map<string, Known>();
  for (const line of new TextDecoder().decode(bytes).split("\n").slice(0, -1)) {
    const { bucket, key, now, before } = parse(line, path);
    former.set(bucket, (former.get(bucket) ?? new Map()).set(key, { now, before }));
  }
  if (sha256 !== found) marks.set(formerEtagsFile, { sha256: found });
  return wrapped(registry, (bucket) => {
    const known = former.get(bucket.describe().name);
    return known ? renamed(bucket, known) : bucket;
  });
}

function parse(line: string, path: string): Static<typeof FormerEtag> {
  try {
    return check(FormerEtag, JSON.parse(line), path);
  } catch (cause) {
    throw new Error(`${path} is damaged: restore the backup once more, into a new directory`, { cause });
  }
}

function renamed(bucket: Bucket, known: Known): Bucket {
  const shown = (info: ObjectInfo): ObjectInfo => {
    const etags = known.get(info.key);
    return etags?.now === info.etag ? { ...info, etag: etags.before } : info;
  };
  const real = (key: string, conditions: Conditions): Conditions => {
    const etags = known.get(key);
    return etags && conditions.ifMatch === etags.before ? { ...conditions, ifMatch: etags.now } : conditions;
  };
  const { hashOf } = bucket;
  return {
    ...withUploads(bucket, (key, upload) => ({
      ...upload,
      commit: async (conditions) => {
        const written = await upload.commit(real(key, conditions));
        return { ...written, info: shown(written.info) };
      },
    })),
    head: async (key, signal) => shown(await bucket.head(key, signal)),
    open: async (key, range, signal) => {
      const opened = await bucket.open(key, range, signal);
      return { ...opened, info: shown(opened.info) };
    },
    remove: (key, conditions, signal) => bucket.remove(key, real(key, conditions), signal),
    list: async (query) => {
      const page = await bucket.list(query);
      return { ...page, objects: page.objects.map(shown) };
    },
    locate: async (key, signal, verify) => {
      const location = await bucket.locate(key, signal, verify);
      return { ...location, info: shown(location.info) };
    },
    ...(hashOf && {
      hashOf: (info) => {
        const etags = known.get(info.key);
        return hashOf(etags?.before === info.etag ? { ...info, etag: etags.now } : info);
      },
    }),
  };
}
