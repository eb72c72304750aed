/** Both kinds of provider through the suite that every kind must pass. */
import { afterAll, beforeAll } from "bun:test";
import { chatProviderSuite } from "../../../conformance/chat-provider.ts";
import { type ChatdStack, startChatdStack } from "../../../support/stacks/chatd.ts";

let stack: ChatdStack;
beforeAll(async () => {
  stack = await startChatdStack({
    chatd: {
      retries: 1,
      answer_max_bytes: 1_000_000,
    },
    keys: { ollama: "sk-chat-hidden-0123456789abcdef" },
  });
});
afterAll(() => stack.stop());

chatProviderSuite("ollama", "", () => stack);
chatProviderSuite("openai", "other/", () => stack);
