/** Random CSV files for campaigns: regular ones, and ones with the mistakes that people and programs make. */

export interface MadeCsv {
  text: string;
  delimiter: string;
  quote: string;
  width: number;
}

/** `random` gives numbers in [0, 1). About every third file has mistakes; every sixth has blank lines. */
export function makeCsv(random: () => number, rowsMax: number): MadeCsv {
  const below = (limit: number) => Math.floor(random() * limit);
  const pick = <T>(items: readonly [T, ...T[]]): T => items[below(items.length)] ?? items[0];
  const delimiter = pick([",", ",", ",", "\t", ";", "|"]);
  const quote = pick(['"', '"', '"', "'", ""]);
  const lineEnd = pick(["\n", "\n", "\r\n", "\r"]);
  const width = 1 + below(4);
  const odd = random() < 0.3;
  const blanks = random() < 0.15;
  const pieces = [
    "a",
    "b",
    "1",
    "",
    " ",
    "é",
    "李",
    "x y",
    quote || "~",
    "\n",
    "\r\n",
    "\r",
    delimiter,
    ",",
    "#",
    "\\",
    "NULL",
    "0",
    "\t",
  ] as const;

  const field = (): string => {
    const value = Array.from({ length: below(4) }, () => pick([...pieces] as [string, ...string[]])).join("");
    if (quote === "") return value.replace(/[\n\r]/g, "").replaceAll(delimiter, "");
    const needed = [delimiter, "\n", "\r", quote].some((mark) => value.includes(mark));
    if (odd && random() < 0.02) return value;
    return needed || random() < 0.2 ? quote + value.replaceAll(quote, quote + quote) + quote : value;
  };
  const rows = Array.from({ length: below(rowsMax) }, () => {
    const fields = odd && random() < 0.1 ? 1 + below(5) : width;
    const end = odd && random() < 0.03 ? pick(["\n", "\r\n", "\r"]) : lineEnd;
    return (
      Array.from({ length: fields }, field).join(delimiter) + end + (blanks && random() < 0.2 ? lineEnd : "")
    );
  });
  const text = rows.join("");
  return { text: random() < 0.3 ? text.replace(/[\r\n]+$/, "") : text, delimiter, quote, width };
}
