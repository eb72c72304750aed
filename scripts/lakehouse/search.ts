/** `lakehouse search`: the best rows of corpora for a text, by words and by meaning. */
import type { Client } from "../../api/client/lakehouse/lakehouse.ts";
import { UsageError } from "../command-line/command-line.ts";
import { tableOf } from "./table.ts";
import { type Command, countIn, onlyWord, type Terminal, writeJson } from "./terminal.ts";

const usage = `  search TEXT [--corpus NAME[,NAME…]] [--k N] [--where SQL]
                of the named corpora, the active profile's, or all`;

export const search: Command = {
  usage,
  options: ["corpus", "k", "where"],
  run: async (terminal) => {
    const found = await searchFor(terminal, onlyWord(terminal, "one text, in quotes", usage));
    if (terminal.isForPeople) {
      const columns = [
        { name: "score", isNumber: true },
        { name: "corpus" },
        { name: "id" },
        { name: "text" },
      ];
      const rows = found.hits.map(({ score, corpus, id, text }) => [
        score.toFixed(3),
        corpus,
        id,
        text ?? "",
      ]);
      await terminal.write(tableOf(columns, rows, terminal));
    } else await writeJson(terminal, found);
    for (const { corpus, message } of found.errors) terminal.remark(`${corpus}: ${message}`);
    return found.errors.length > 0 ? 1 : 0;
  },
};

/** What the words say of corpora, with the rows' texts. Throws UsageError where there is no corpus. */
export async function searchFor(terminal: Terminal, text: string): ReturnType<Client["search"]> {
  const { client, signal, words } = terminal;
  const k = countIn(terminal, "k");
  const { where } = words.options;
  const corpora = await corporaOf(terminal);
  const input = {
    include_text: true,
    ...(corpora && { corpora }),
    ...(k !== undefined && { k }),
    ...(where !== undefined && { sql_filter: where }),
  };
  return client.search(text, input, { signal });
}

async function corporaOf({ client, signal, words }: Terminal): Promise<string[] | undefined> {
  const { corpus } = words.options;
  if (corpus !== undefined) return corpus.split(",");
  const { active } = await client.matrixd.profiles({}, { signal });
  if (active !== undefined) return undefined;
  const { corpora } = await client.matrixd.corpora({ page_size: 100 }, { signal });
  if (corpora.length > 0) return corpora.map(({ name }) => name);
  throw new UsageError(
    "there is no corpus to search; make one with: bun run lakehouse load DIR --corpus NAME",
  );
}
