/** Reviews over the real chatd and a model server in a process of its own. */
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { type ChatdStack, startChatdStack } from "../../../support/stacks/chatd.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";
import { type InProcessObserverd, startObserverd } from "../../../support/stacks/observerd.ts";

const directory = temporaryDirectory("review-chatd");
let chat: ChatdStack;
const services: InProcessObserverd[] = [];
const unsure = {
  task: "Who is the forklift operator in Chicago?",
  output: "The forklift operator in Chicago is John Smith.",
};

beforeAll(async () => {
  chat = await startChatdStack();
});
beforeEach(() => chat.models.reset());
afterAll(async () => {
  for (const each of services) await each.stop();
  await chat.stop();
  directory.remove();
});

const judgedBy = async (model: string) => {
  const own = await startObserverd({
    dataDir: `${directory.path}/${services.length}`,
    section: { chat_calls: false, review_model: model, review_timeout_ms: 2000 },
    peers: { chatd: chat.service.peer },
  });
  services.push(own);
  return own.peer.verbs.review(unsure);
};

for (const model of ["ollama/judge", "other/judge"])
  test(`${model} is asked through chatd, with the schema its answer must follow`, async () => {
    // The server makes an answer of the schema's types: the verdict is right, the number is out of bounds.
    const review = await judgedBy(model);
    expect(review).toMatchObject({ verdict: "needs_human", reviewer: "heuristic" });
    expect(review.reasons.at(-1)?.detail).toContain("did not follow the schema (confidence: expected number");
    const [request] = await chat.models.requests();
    const body = JSON.stringify(request?.body);
    for (const part of ["needs_human", "additionalProperties", "forklift operator in Chicago"])
      expect(body).toContain(part);
  });

test("a provider where nobody listens leaves the verdict to the rules", async () => {
  const away = await judgedBy("nowhere/judge");
  expect(away).toMatchObject({ verdict: "needs_human", reviewer: "heuristic" });
  expect(away.reasons.at(-1)?.detail).toContain("nowhere/judge could not be asked");
});
