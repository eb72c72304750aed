/** Prompts: ways of working that a person picks, written out for the model; and completions of their arguments. */
import { type Prompt, ProtocolError, ProtocolErrorCode, type Server } from "@modelcontextprotocol/server";
import { asProtocolError, type ResourceParts } from "./resources.ts";

interface Written extends Prompt {
  /** The text for the model; missing optional arguments are empty. */
  write: (given: Readonly<Record<string, string>>) => string;
}

/** Longer arguments would be no words of a person. */
const argumentCharsMax = 10_000;

const prompts: readonly Written[] = [
  {
    name: "analyse_dataset",
    title: "Analyse a dataset",
    description:
      "Looks at a dataset's columns and values, checks its quality, and answers a question from it.",
    arguments: [
      { name: "dataset", description: "The dataset's name.", required: true },
      { name: "question", description: "What is to be found out; an overview unless given." },
    ],
    write: ({ dataset, question }) =>
      [
        `Analyse the dataset ${dataset} in Lakehouse.`,
        "1. describe_dataset gives its columns with types, null counts, distinct counts and ranges; sample_dataset shows rows.",
        "2. Name what may mislead: columns that are mostly empty, constant, duplicated keys, values outside their range, text that holds numbers.",
        `3. ${question ? `Answer this question: ${question}` : "Give an overview: what a row is, how many there are, what stands out."} Use query_sql with aggregates; look at a statement with explain_sql before it reads much.`,
        "4. Give the answer first, then the statements that it came from, then what you are not sure of. State no figure that no statement gave.",
      ].join("\n"),
  },
  {
    name: "find_candidates",
    title: "Find candidates",
    description:
      "Finds the best rows of corpora for a need, by meaning, words and hard conditions, and says why.",
    arguments: [
      { name: "need", description: "What is sought, in words.", required: true },
      {
        name: "corpora",
        description: "Names of corpora, with commas between them; those that fit unless given.",
      },
      { name: "conditions", description: "What must hold, in words: a state, a date, a least value." },
    ],
    write: ({ need, corpora, conditions }) =>
      [
        `Find the best candidates in Lakehouse for: ${need}`,
        corpora ? `Search the corpora ${corpora}.` : "1. list_corpora; choose those that can hold an answer.",
        `2. search_matrix with use_playbook true and include_text true.${conditions ? ` These conditions must hold, as sql_filter or filter and not as words of the query: ${conditions}` : ""}`,
        "3. Search again in other words where the hits are few or alike, and put the results together.",
        "4. List at most ten, the best first: the id, the corpus, why it fits, what speaks against it. Say plainly when nothing fits.",
        "5. When the user confirms one, call record_playbook with the query, the id and the corpus.",
      ].join("\n"),
  },
  {
    name: "write_playbook",
    title: "Write a playbook",
    description: "Remembers that an answer worked for a query, so that it comes first next time.",
    arguments: [
      { name: "query", description: "What was asked, as the user put it.", required: true },
      { name: "answer_id", description: "The id of the hit that worked.", required: true },
      { name: "corpus", description: "The corpus of that hit.", required: true },
      { name: "why", description: "Why it worked." },
    ],
    write: ({ query, answer_id, corpus, why }) =>
      [
        `The answer ${answer_id} of the corpus ${corpus} worked for: ${query}`,
        why
          ? `The reason: ${why}`
          : "Ask the user in one question why it worked, if that is not clear from the conversation.",
        "1. search_matrix with the query over this corpus: make sure that the answer is there, and see what stood above it.",
        "2. record_playbook with query_text in the user's words, answer_id, corpus, two to five tags that a similar query would share, and the reason as note. No personal data in tags or note.",
        "3. search_matrix again with use_playbook true, and tell the user whether the answer has moved up.",
      ].join("\n"),
  },
];

export function answerPrompts(server: Server): void {
  const listed = prompts.map(({ write: _, ...prompt }) => prompt);
  server.setRequestHandler("prompts/list", () => ({ prompts: listed }));
  server.setRequestHandler("prompts/get", ({ params }) => {
    const prompt = prompts.find(({ name }) => name === params.name);
    if (!prompt)
      throw refused(
        `there is no prompt '${params.name.slice(0, 100)}'; expected one of ${prompts.map(({ name }) => name).join(", ")}`,
      );
    const text = prompt.write(checkedArguments(prompt, params.arguments ?? {}));
    return {
      description: prompt.description as string,
      messages: [{ role: "user" as const, content: { type: "text" as const, text } }],
    };
  });
}

const refused = (message: string) => new ProtocolError(ProtocolErrorCode.InvalidParams, message);

function checkedArguments(prompt: Written, given: Record<string, string>): Record<string, string> {
  const known = prompt.arguments ?? [];
  const names = known.map(({ name }) => name).join(", ");
  const stray = Object.keys(given).find((name) => !known.some((argument) => argument.name === name));
  if (stray !== undefined)
    throw refused(`${prompt.name} has no argument '${stray.slice(0, 100)}'; expected ${names}`);
  const values = known.map(({ name, required }): [string, string] => {
    const value = (given[name] ?? "").trim();
    if (required && value === "") throw refused(`${prompt.name}: '${name}' is missing; expected ${names}`);
    if (value.length > argumentCharsMax)
      throw refused(
        `${prompt.name}: '${name}' has ${value.length} characters; at most ${argumentCharsMax} are taken`,
      );
    return [name, value];
  });
  return Object.fromEntries(values);
}

/** Completes names of datasets: of the resource template, and of prompts. */
export function answerCompletions(server: Server, { resources, redact }: ResourceParts): void {
  server.setRequestHandler("completion/complete", async ({ params: { ref, argument } }, { mcpReq }) => {
    const isDataset = ref.type === "ref/resource" ? argument.name === "name" : argument.name === "dataset";
    if (!isDataset) return { completion: { values: [] } };
    return asProtocolError(redact, () => resources.complete(argument.value, mcpReq.signal));
  });
}
