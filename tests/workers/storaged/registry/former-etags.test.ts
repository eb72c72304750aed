/** Objects that a restore put elsewhere, with the etags from before. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Mark, Marks } from "../../../../runtime/marks/marks.ts";
import { systemClock } from "../../../../runtime/scheduling/clock.ts";
import type { Bucket } from "../../../../workers/storaged/bucket/bucket.ts";
import { formerEtagsFile } from "../../../../workers/storaged/contract.ts";
import { openLocalBucket } from "../../../../workers/storaged/local/local.ts";
import type { BucketRegistry } from "../../../../workers/storaged/registry/configured.ts";
import { withFormerEtags } from "../../../../workers/storaged/registry/former-etags.ts";
import { refusal, store } from "../../../conformance/bucket.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";

const { signal } = new AbortController();

describe("an object that was restored elsewhere", () => {
  const home = temporaryDirectory("etags");
  let registry: BucketRegistry;
  let bucket: Bucket;
  let now = "";
  const known = new Map<string, Mark>();
  const adoptedPlaces: string[] = [];
  /** What a start is given; `known` are its marks. */
  const kept = () => ({
    directory: home.path,
    marks: {
      get: (name: string) => known.get(name),
      set: (name: string, mark: Mark) => void known.set(name, mark),
      remove: (name: string) => void known.delete(name),
    } as Marks,
    adopted: (place: string) => adoptedPlaces.includes(place),
  });
  beforeAll(async () => {
    const newId = () => crypto.randomUUID();
    const inner = await openLocalBucket({
      name: "primary",
      root: join(home.path, "primary"),
      newId,
      clock: systemClock,
    });
    registry = { all: () => [inner], get: () => inner, stop: async () => {} };
    now = (await store(inner, "a", "1")).info.etag;
    await store(inner, "b", "1");
    const line = { bucket: "primary", key: "a", now, before: "former-1" };
    writeFileSync(join(home.path, formerEtagsFile), `${JSON.stringify(line)}\n`);
    bucket = (await withFormerEtags(registry, kept())).get("primary");
  });
  afterAll(() => home.remove());

  test("is known by its former etag everywhere; its hash stays its hash", async () => {
    expect((await bucket.head("a", signal)).etag).toBe("former-1");
    const { info, body } = await bucket.open("a", undefined, signal);
    await body.cancel();
    expect(info.etag).toBe("former-1");
    expect((await bucket.locate("a", signal)).info.etag).toBe("former-1");
    const { objects } = await bucket.list({ prefix: "", pageSize: 10, signal });
    expect(objects.map(({ etag }) => etag)).toEqual(["former-1", now]);
    expect(objects.map((object) => bucket.hashOf?.(object))).toEqual([now, now]);
  });

  test("meets conditions on its former etag, and has a new one when it is replaced", async () => {
    expect((await refusal(store(bucket, "a", "2", { ifMatch: "another" }))).type).toBe("precondition_failed");
    const { info } = await store(bucket, "a", "2", { ifMatch: "former-1" });
    expect(info.etag).not.toBe("former-1");
    expect((await bucket.head("a", signal)).etag).toBe(info.etag);
    expect((await refusal(store(bucket, "a", "3", { ifMatch: "former-1" }))).type).toBe(
      "precondition_failed",
    );
    await bucket.remove("a", { ifMatch: info.etag }, signal);
  });

  test.each([
    ["emptied", () => writeFileSync(join(home.path, formerEtagsFile), "")],
    ["cut by one byte", () => truncateSync(join(home.path, formerEtagsFile), 20)],
    ["removed", () => rmSync(join(home.path, formerEtagsFile))],
  ])("a list that is %s is reported, until that is accepted", async (name, harm) => {
    const line = { bucket: "primary", key: "b", now, before: "former-2" };
    writeFileSync(join(home.path, formerEtagsFile), `${JSON.stringify(line)}\n`);
    known.clear();
    await withFormerEtags(registry, kept());
    await withFormerEtags(registry, kept());
    harm();
    const why = name === "removed" ? /etags\.jsonl is missing/ : /etags\.jsonl is not what the restore wrote/;
    expect(withFormerEtags(registry, kept())).rejects.toThrow(why);
    adoptedPlaces.push("storaged/etags.jsonl");
    await withFormerEtags(registry, kept());
    adoptedPlaces.pop();
    await withFormerEtags(registry, kept());
    known.clear();
  });

  test("a damaged list is reported with what to do", async () => {
    for (const line of ['{"bucket":', '{"bucket":1}']) {
      writeFileSync(join(home.path, formerEtagsFile), `${line}\n`);
      const opening = withFormerEtags(registry, kept());
      expect(opening).rejects.toThrow(/etags\.jsonl is damaged: restore the backup once more/);
      await opening.catch(() => undefined);
    }
  });
});
