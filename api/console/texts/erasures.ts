/** What the page of erasures says. */
export const erasures = {
  title: "Erasures",
  help: "Someone's right to be forgotten: all that any service keeps of a person or a thing is erased, wherever it is named, found as whole words in any case. Memories, rows and documents with their earlier versions, vectors, corpora, playbooks, operations, reviews and training sets. Nothing brings it back; backups that were taken before still hold it. Look first.",
  subject: "Whom or what",
  who: "Who asks for it",
  why: "Why",
  look: "Look first",
  erase: "Erase …",
  looking: "Looking …",
  erasing: "Erasing …",
  lookAgain: "Other words: look first.",
  would: "This would go:",
  wouldNothing: "Nothing of it was found. An erasure would leave only the note that it was done.",
  did: "This is erased:",
  didNothing: "Nothing of it was there.",
  open: "Some services have yet to do it: it goes on by itself, after a restart too.",
  heads: ["Service", "Where", "What", "How many", "Names"],
  leftTitle: "What stays, and what to do about it:",
  leftHeads: ["Service", "Where", "Why it stays", "What to do"],
  problem: (service: string, why: string) => `${service} could not be asked: ${why}`,
  says: (subject: string, of: { number: string; where: string }) =>
    `All that names '${subject}' is erased for good: ${of.number} in ${of.where}. Nothing brings it back.`,
  saysNothing: (subject: string) =>
    `Nothing that names '${subject}' was found. Whatever is found meanwhile is erased for good.`,
  doErase: "Erase for good",
  number: (number: string, what: string) => `${number} ${what}`,
  done: "What was erased",
  doneHeads: ["When", "Who asked", "Why", "State", "Removed", "Stays"],
  none: "Nothing was ever erased.",
  removed: (service: string, number: string, what: string) => `${service}: ${number} ${what}`,
  names: (names: readonly string[], all: number) =>
    `${names.join(", ")}${all > names.length ? ` and ${(all - names.length).toLocaleString("en")} more` : ""}`,
} as const;
