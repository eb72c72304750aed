/** The doors for conversations: each reads requests and writes answers in its own form. */
import { readJsonObject } from "../../runtime/body.ts";
import type { RawContext, RawOf } from "../../runtime/contract.ts";
import type { Deps } from "../../runtime/service.ts";
import { chatDoor, type Door, httpAnswer, ownDoor } from "./answer-http.ts";
import type { Answer, Asker } from "./answering.ts";
import type { Chatd } from "./contract.ts";
import { type Ask, type AskOptions, readAsk } from "./conversation.ts";
import type { Json } from "./provider.ts";
import { responses } from "./responses/responses.ts";
import { readTextAsk, textDoor } from "./text-completion.ts";

export function doorsOf(
  { config: { chatd }, clock, newId }: Pick<Deps, "config" | "clock" | "newId">,
  answer: (ask: Ask, asker: Asker) => Promise<Answer>,
): RawOf<Chatd> {
  const { max_json_bytes: bytesMax, default_model: defaultModel, heartbeat_ms: heartbeatMs } = chatd;
  const at =
    <A extends Ask>(read: (given: Json, options: AskOptions) => A, doorOf: (ask: A) => Door, own = false) =>
    async (_input: unknown, { request, requestId, signal }: RawContext): Promise<Response> => {
      const given = await readJsonObject(request, bytesMax);
      const ask = read(given, { own, defaultModel, headers: request.headers });
      const door = doorOf(ask);
      return httpAnswer(await answer(ask, { requestId, signal }), { door, requestId, clock, heartbeatMs });
    };
  return {
    chat: at(readAsk, () => ownDoor, true),
    completions: at(readAsk, chatDoor),
    textCompletions: at(readTextAsk, textDoor),
    responses: at(responses.read, (ask) =>
      responses.doorOf(ask, { id: newId(), at: Math.floor(clock.now() / 1000) }),
    ),
  };
}
