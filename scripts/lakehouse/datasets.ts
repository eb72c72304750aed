/** `lakehouse datasets`: the datasets and views that there are to read, or the columns of one. */
import { viewIn } from "../../workers/catalogd/contract.ts";
import { amountOf, UsageError } from "../command-line/command-line.ts";
import { tableOf } from "./table.ts";
import { type Command, type Terminal, writeJson } from "./terminal.ts";

const usage = "  datasets [NAME] [--version N]   all of them, or the columns of one";

export const datasets: Command = {
  usage,
  options: ["version"],
  run: async (terminal) => {
    const [name, ...more] = terminal.words.plain;
    if (more.length > 0) throw new UsageError(`expected one name at most\n${usage}`);
    return name === undefined ? list(terminal) : describe(terminal, name);
  },
};

async function list(terminal: Terminal): Promise<number> {
  const { client, signal, isForPeople, write } = terminal;
  const all = [];
  for (let page_token: string | undefined; ; ) {
    const page = await client.catalogd.list({ ...(page_token !== undefined && { page_token }) }, { signal });
    all.push(...page.datasets);
    page_token = page.next_page_token;
    if (page_token === undefined) break;
  }
  const views = [];
  for (let page_token: string | undefined; ; ) {
    const page = await client.queryd.views({ ...(page_token !== undefined && { page_token }) }, { signal });
    views.push(...page.views);
    page_token = page.next_page_token;
    if (page_token === undefined) break;
  }
  if (!isForPeople) await writeJson(terminal, [...all, ...views]);
  else if (all.length + views.length === 0)
    terminal.remark("there is no dataset yet; make one with: bun run lakehouse load FILE");
  else {
    const columns = [
      { name: "dataset" },
      ...["rows", "columns", "size", "version"].map((name) => ({ name, isNumber: true })),
      { name: "changed" },
    ];
    const rows = all.map(({ name, row_count, columns: width, bytes, version, created_at }) => [
      ...[name, amountOf(row_count, "").trim(), width, amountOf(bytes, "bytes"), version],
      shortTime(created_at),
    ]);
    const ofViews = views.map(({ name, columns: own, version, created_at }) => [
      ...[name, "view", own.length, "", version, shortTime(created_at)],
    ]);
    await write(tableOf(columns, [...rows, ...ofViews], terminal));
  }
  return 0;
}

const shortTime = (time: string): string => time.slice(0, 19).replace("T", " ");

async function describe(terminal: Terminal, name: string): Promise<number> {
  const { client, signal, isForPeople, write } = terminal;
  const { version } = terminal.words.options;
  if (version !== undefined && !/^\d+$/.test(version))
    throw new UsageError(`--version: expected a whole number, got '${version}'`);
  const manifest = await client.catalogd
    .manifest({ name, ...(version && { version: Number(version) }) }, { signal })
    .catch((cause: unknown) => {
      const view = viewIn(cause);
      if (view === undefined) throw cause;
      return client.queryd.view({ name: view, ...(version && { version: Number(version) }) }, { signal });
    });
  if (!isForPeople) await writeJson(terminal, manifest);
  else
    await write(
      tableOf(
        [{ name: "column" }, { name: "type" }],
        manifest.columns.map((column) => [column.name, column.type]),
        terminal,
      ),
    );
  return 0;
}
