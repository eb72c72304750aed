/** The commands of a Markdown page, as its reader would paste them. */

export interface Block {
  /** The heading it stands under, as `3. Start`. */
  section: string;
  /** Of the fence, from 1. */
  line: number;
  /** `sh`: a script that must succeed. `console`: commands (`$ …`) and what each prints. */
  language: "sh" | "console";
  /** What is said about it behind the language, as `online`, `fails`, `background`, `host-b`. */
  marks: ReadonlySet<string>;
  text: string;
}

interface Step {
  command: string;
  expected: string;
}

const isLanguage = (word: string | undefined): word is Block["language"] =>
  word === "sh" || word === "console";

/** The shell blocks of a page, in order. Other fences (tables of a configuration, output) are not for running. */
export function blocksOf(markdown: string): Block[] {
  const blocks: Block[] = [];
  let section = "";
  let open: { line: number; words: string[]; lines: string[] } | undefined;
  for (const [at, line] of markdown.split("\n").entries()) {
    const [, info] = /^```(.*)$/.exec(line) ?? [];
    if (open !== undefined && info === "") {
      const [language, ...marks] = open.words;
      if (isLanguage(language))
        blocks.push({
          section,
          line: open.line,
          language,
          marks: new Set(marks),
          text: `${open.lines.join("\n")}\n`,
        });
      open = undefined;
    } else if (open !== undefined) open.lines.push(line);
    else if (info !== undefined) open = { line: at + 1, words: info.trim().split(/\s+/), lines: [] };
    else if (line.startsWith("## ")) section = line.slice(3).trim();
  }
  if (open !== undefined) throw new Error(`line ${open.line}: the fence is not closed`);
  return blocks;
}

/** The commands of a console block (`$ …`, going on after a backslash) and what follows each of them. */
export function stepsOf(text: string): Step[] {
  return text
    .split(/^\$ /m)
    .filter((part) => part.trim() !== "")
    .map((part) => {
      const [command = ""] = /^(.*\\\n)*.*/.exec(part) ?? [];
      return { command, expected: part.slice(command.length).trim() };
    });
}

/** The lines of scripts/command-line/progress.ts, which come only where the work takes long. */
const progress = /^.* \[[#.]+\] \d+% .*\n/gm;

/** Whether a command printed what the page shows; `…` stands for anything, as ids and times. */
export function printed(output: string, expected: string): boolean {
  const parts = expected.split("…").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join("[\\s\\S]*")}$`).test(output.replace(progress, "").trim());
}
