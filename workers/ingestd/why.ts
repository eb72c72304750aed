/** Why a column of text stays text, in words for the person who looks at a preview. Pure. */

export interface Seen {
  text: string;
  line: number;
}

/** What a text looks like to a person, beside what it is: the first that fits. */
const looks: readonly { pattern: RegExp; reason: string }[] = [
  { pattern: /^[-+]?0[0-9]+([.][0-9]+)?$/, reason: "leading zeros" },
  { pattern: /^[+][0-9][0-9 ().-]*$/, reason: "a plus sign" },
  { pattern: /^\s+\S|\S\s+$/, reason: "spaces at the beginning or end" },
  { pattern: /^-?[0-9]{19,}$/, reason: "a number beyond 64 bits" },
  { pattern: /^-0(\.0+)?$/, reason: "minus zero" },
  { pattern: /^[-+]?[0-9.]+[eE][-+]?[0-9]+$/, reason: "an exponent" },
  { pattern: /^[-+]?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?$/, reason: "a thousands separator" },
  { pattern: /^[-+]?[0-9]+,[0-9]+$/, reason: "a decimal comma" },
  {
    pattern: /^\d{4}-\d\d-\d\dT\d\d:\d\d/,
    reason: "a timestamp with T or a zone, which would read back without",
  },
  { pattern: /^\d{4}-\d\d-\d\d( .*)?$/, reason: "a date that does not exist or would read back otherwise" },
  {
    pattern: /^\d{1,2}[/.]\d{1,2}[/.]\d{2,4}$/,
    reason: "a date whose order of day and month is not certain",
  },
  { pattern: /^(true|false)$/i, reason: "a boolean that is not written true or false" },
  { pattern: /^[-+]?([0-9]*[.][0-9]+|[0-9]+[.]?)$/, reason: "numbers with differing numbers of decimals" },
];

const shownCharacters = 40;
const shown = (text: string) => (text.length > shownCharacters ? `${text.slice(0, shownCharacters)}…` : text);

/** The reason for these values of one column; the first value that is plainly a word settles it. */
export function whyText(values: readonly Seen[]): string {
  const word = values.find(({ text }) => !looks.some(({ pattern }) => pattern.test(text)));
  if (word) return `text, such as '${shown(word.text)}' on line ${word.line}`;
  for (const { pattern, reason } of looks) {
    const found = values.find(({ text }) => pattern.test(text));
    if (found) return `stays text: ${reason}, '${shown(found.text)}' on line ${found.line}`;
  }
  return "text";
}
