/** Training sets that name a subject: each goes as a whole, as it can be made anew from what is left. */
import type { Erasing, Peer } from "../../../runtime/contract/contract.ts";
import { peerError } from "../../../runtime/errors/errors.ts";
import type { Storaged } from "../../storaged/contract.ts";

type Call = Pick<Erasing, "subject" | "dryRun" | "requestId" | "signal">;

const prefix = "distill/";

/** Gives the folders of the sets. A manifest goes first: a set without one does not count. */
export async function eraseSets(storaged: Peer<Storaged>, call: Call): Promise<string[]> {
  const folders = new Map<string, string[]>();
  for await (const key of keysOf(storaged, call)) {
    const folder = key.slice(0, key.lastIndexOf("/"));
    folders.set(folder, [...(folders.get(folder) ?? []), key]);
  }
  const erased: string[] = [];
  for (const [folder, keys] of folders) {
    if (!(await isAnyAbout(keys, storaged, call))) continue;
    erased.push(folder);
    const manifestFirst = keys.toSorted((a, b) => Number(isSet(a)) - Number(isSet(b)));
    for (const key of call.dryRun ? [] : manifestFirst)
      await storaged.verbs.erase({ key }, { requestId: call.requestId });
  }
  return erased;
}

const isSet = (key: string): boolean => key.endsWith(".jsonl");

async function* keysOf({ verbs }: Peer<Storaged>, { requestId, signal }: Call): AsyncGenerator<string> {
  for (let page_token: string | undefined; ; ) {
    const page = await verbs.list(
      { prefix, ...(page_token !== undefined && { page_token }) },
      { requestId, signal },
    );
    for (const { key } of page.objects) yield key;
    page_token = page.next_page_token;
    if (page_token === undefined) return;
  }
}

async function isAnyAbout(keys: readonly string[], storaged: Peer<Storaged>, call: Call): Promise<boolean> {
  for (const key of keys) if (isSet(key) && (await isAbout(key, storaged, call))) return true;
  return false;
}

async function isAbout(key: string, storaged: Peer<Storaged>, call: Call): Promise<boolean> {
  const { subject, signal, requestId } = call;
  const response = await storaged.fetch(`/storage/get/${key}`, {
    headers: { "x-request-id": requestId },
    signal,
  });
  if (!response.ok) throw await peerError("storaged", response);
  const decoder = new TextDecoder();
  let rest = "";
  const isLineAbout = (line: string) => line !== "" && subject.isMentioned(JSON.parse(line));
  for await (const chunk of response.body ?? []) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    // Leaving the loop cancels the body.
    if (lines.some(isLineAbout)) return true;
  }
  return isLineAbout(rest);
}
