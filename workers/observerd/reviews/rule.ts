/** What a rule of the review is: a pure function from the output under review to what it found. */

export interface Subject {
  task: string;
  output: string;
  /** What the output was made from; empty when none was given. */
  evidence: readonly string[];
}

export interface Finding {
  rule: string;
  /** Log-odds: above zero speaks for the output, below against it. Findings add up, as in naive Bayes. */
  weight: number;
  detail: string;
}

export type Rule = (subject: Subject) => Finding[];

/** A piece of the output as it stands in a reason, cut to what a reader needs. */
export const quoted = (text: string): string => {
  const one = text.replace(/\s+/g, " ").trim();
  return `"${one.length > 80 ? `${one.slice(0, 80)}…` : one}"`;
};

/** The first few of many, for a reason. */
export const someOf = (items: readonly string[]): string => {
  const shown = items.slice(0, 5).map(quoted).join(", ");
  return items.length > 5 ? `${shown} and ${items.length - 5} more` : shown;
};
