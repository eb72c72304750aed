/** An answer as an HTTP response: OpenAI's shape to the letter, or the same with the product's extras. */
import type { Clock } from "../../runtime/clock.ts";
import { namesInHeader } from "../../runtime/openai-error.ts";
import { jsonResponse } from "../../runtime/whole.ts";
import type { About, Answer } from "./answering.ts";
import { type Ask, cacheHeader } from "./conversation.ts";
import { eventStream } from "./event-stream.ts";
import type { Json } from "./provider.ts";

export interface HttpOptions {
  /** `/chat`, which tells more in the body. */
  own: boolean;
  requestId: string;
  clock: Pick<Clock, "after">;
  heartbeatMs: number;
}

export function httpAnswer(answer: Answer, ask: Ask, options: HttpOptions): Response {
  const { own, requestId, clock, heartbeatMs } = options;
  const { about } = answer;
  const headers = headersOf(about);
  if (answer.whole !== undefined)
    return jsonResponse(own ? { ...answer.whole, lakehouse: extrasOf(about) } : answer.whole, headers);
  const wantsUsage = own || ask.streamOptions.include_usage === true;
  const chunks = wantsUsage ? answer.chunks : withoutUsage(answer.chunks);
  const last = () =>
    own ? { object: "chat.completion.chunk", choices: [], lakehouse: extrasOf(about) } : undefined;
  const stream = eventStream(chunks, {
    clock,
    heartbeatMs,
    requestId,
    leave: answer.leave,
    last,
    errors: own ? undefined : "openai",
  });
  return new Response(stream, {
    headers: {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-cache",
      // nginx buffers answers unless told.
      "x-accel-buffering": "no",
      ...headers,
    },
  });
}

/** Names of models may hold any character; headers may not. */
const headersOf = ({ target, cache, failed, ignored, observed }: About): Record<string, string> => ({
  "x-lakehouse-provider": target.provider,
  "x-lakehouse-model": encodeURI(target.id.toWellFormed()),
  [cacheHeader]: cache,
  ...(failed.length > 0 && { "x-lakehouse-fallbacks": String(failed.length) }),
  ...(observed.retries > 0 && { "x-lakehouse-retries": String(observed.retries) }),
  ...(ignored.length > 0 && {
    "x-lakehouse-ignored": namesInHeader(ignored),
  }),
});

const extrasOf = ({ target, cache, failed, ignored, observed }: About): Json => ({
  provider: target.provider,
  model: target.id,
  cache,
  failed,
  retries: observed.retries,
  ignored,
  ...(observed.usage?.costUsd !== undefined && { cost_usd: observed.usage.costUsd }),
});

/** Every stream is asked for its usage; who did not ask for it does not see it. */
async function* withoutUsage(chunks: AsyncGenerator<Json>): AsyncGenerator<Json> {
  for await (const { usage, ...chunk } of chunks) {
    const isUsageAlone = usage !== undefined && usage !== null && (chunk.choices as unknown[]).length === 0;
    if (!isUsageAlone) yield chunk;
  }
}
