/** `/responses`, OpenAI's newer endpoint: how requests are read and answers written. Nothing is kept between two requests. */
import { openAiError } from "../../../runtime/errors/errors.ts";
import { type AnswerFormat, event } from "../http/http.ts";
import type { Json } from "../schemas/schemas.ts";
import { eventsOf } from "./events.ts";
import { type Head, itemsOf, responseOf } from "./output.ts";
import { type ResponsesRequest, readResponsesRequest } from "./request.ts";

/** `id` is new for each response; `at` in seconds since the epoch. */
function formatOf({ given }: ResponsesRequest, { id, at }: Omit<Head, "given">): AnswerFormat {
  const head: Head = { id: `resp_${id.replaceAll("-", "")}`, at, given };
  let sent = 0;
  const numbered = (each: Json): string => event({ ...each, sequence_number: sent++ }, String(each.type));
  return {
    completion: ({ choices, model, usage }) => {
      const [choice] = choices as Json[];
      const finish = choice?.finish_reason;
      return responseOf(itemsOf(choice ?? {}, head), head, { finish, model, usage });
    },
    chunks: (chunks) => eventsOf(chunks, head),
    framing: (_about, requestId) => ({
      chunk: numbered,
      // The last event says it.
      end: () => "",
      broken: (wire) => {
        const { error } = openAiError(wire, requestId);
        const { code, message, param } = error;
        return numbered({ type: "error", code, message, param, error });
      },
    }),
  };
}

/** How a request is read, and how its answer is written. */
export const responses = { read: readResponsesRequest, formatOf };
