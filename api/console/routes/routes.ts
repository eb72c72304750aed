/** A page as a route: compressed where the browser takes that, and with errors that are pages as well. */
import { encodeAnswer } from "../../../runtime/bodies/bodies.ts";
import type { Face, Handler } from "../../../runtime/http/http.ts";

/** An open one asks for no token, and shows nothing that is kept. */
export const addPage = (
  face: Face,
  pattern: string,
  handler: Handler,
  { method = "GET", open = false }: { method?: "GET" | "POST"; open?: boolean } = {},
): void =>
  face.route(
    method,
    pattern,
    async (request, context) => encodeAnswer(request, await handler(request, context)),
    undefined,
    { errors: "page", open },
  );
