/** REPLICATION.md does what it says. All of it: `bun run runbook`. */
import { describe, expect, test } from "bun:test";
import { lineOf } from "../../scripts/command-line/progress.ts";
import { noMachine } from "../../scripts/machine/machine.ts";
import { type Block, blocksOf, printed, stepsOf } from "../../scripts/runbook/blocks.ts";
import { faultOf, onMachines, runBlocks } from "../../scripts/runbook/runbook.ts";

const page = blocksOf(await Bun.file("REPLICATION.md").text());
const fence = (info: string, text: string) => `## 1. One\n\`\`\`${info}\n${text}\n\`\`\`\n`;

describe("blocks", () => {
  test("are those of the shell, with their marks and where they stand", () => {
    const text = `## A\n${fence("toml", "a = 1")}text\n${fence("sh online fails", "true\n# ## not a heading")}`;
    expect(blocksOf(text)).toEqual([
      {
        section: "1. One",
        line: 8,
        language: "sh",
        marks: new Set(["online", "fails"]),
        text: "true\n# ## not a heading\n",
      },
    ]);
    expect(() => blocksOf("```sh\ntrue\n")).toThrow("line 1: the fence is not closed");
  });

  test("of a console are commands and what they print", () => {
    expect(stepsOf("$ echo a \\\n    b\na b\n$ true\n")).toEqual([
      { command: "echo a \\\n    b", expected: "a b" },
      { command: "true", expected: "" },
    ]);
    expect(printed('{"id":"7f","n":2}\n', '{"id":"…","n":2}')).toBe(true);
    expect(printed('{"id":"7f","n":3}\n', '{"id":"…","n":2}')).toBe(false);
    // On a slow machine a bar shows how far it is.
    const state = { done: 5, total: 10, note: undefined, unit: "rows", seconds: 1 };
    expect(printed(`${lineOf("workers", state)}\ndone\n`, "done")).toBe(true);
  });

  const rows = [
    { name: "an unknown mark", info: "sh onlin", text: "true", finds: "unknown mark 'onlin'" },
    { name: "what the shell cannot read", info: "sh", text: "if true; then", finds: "syntax error" },
    {
      name: "a command of a console that it cannot read",
      info: "console",
      text: "$ echo (",
      finds: "syntax error",
    },
  ];
  test.each(rows)("$name is a fault", ({ info, text, finds }) => {
    expect(faultOf(blocksOf(fence(info, text))[0] as Block)).toContain(finds);
  });
});

test("the runbook: every block can be read", () => {
  expect(page.length).toBeGreaterThan(40);
  for (const block of page) expect([block.line, faultOf(block)]).toEqual([block.line, undefined]);
});

const none = noMachine();
if (none !== undefined) process.stderr.write(`the runbook is not run here: ${none}\n`);

describe.skipIf(none !== undefined)("on a machine made fresh", () => {
  test("the terminal goes on from block to block, what stopped working is found, and the machine below is not touched", async () => {
    const text = [
      fence("sh", "export A=1\ncd /opt\nf() { echo f$A; }\necho here > /etc/lakehouse-runbook"),
      fence("console", "$ pwd; f; hostname\n/opt\nf1\nhost-a\n$ systemctl is-system-running\nrunning"),
      fence("sh background", "sleep 1000"),
      fence(
        "sh",
        "until pgrep -fx 'sleep 1000'; do :; done; ! command -v bun; test ! -e /opt/lakehouse; ! getent passwd lakehouse",
      ),
      fence("sh fails", "false; true"),
    ].join("");
    /** Commands that stopped working: they are found, and nothing after them runs. */
    const rotten = [
      fence("sh", "lakehouse-command-of-last-year\ntrue"),
      fence("console", "$ echo 2\n3"),
      fence("sh fails", "true"),
    ];
    await onMachines(async (machineOf) => {
      expect(await runBlocks(blocksOf(text), machineOf)).toEqual({ ran: 5, checked: 0 });
      for (const each of rotten) {
        const told = await runBlocks(blocksOf(fence("sh", "true") + each + fence("sh", "true")), machineOf);
        expect(told).toMatchObject({ ran: 1, wrong: { block: { line: 6 } } });
      }
    });
    expect(await Bun.file("/etc/lakehouse-runbook").exists()).toBe(false);
  });

  test("its first chapters: from nothing to a product that answers, under systemd", async () => {
    const end = page.findIndex(({ section }) => section.startsWith("5."));
    const told = await onMachines((machineOf) => runBlocks(page.slice(0, end + 2), machineOf));
    expect(told.wrong?.why).toBeUndefined();
    expect(told.ran).toBe(end + 2);
  });
});
