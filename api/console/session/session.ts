/** Whom the console acts for: it asks the API as whoever opened the page, and keeps the token of who signed in in a cookie. */
import { sameProcess, tokenCookie } from "../../../runtime/auth/auth.ts";
import { readBytes } from "../../../runtime/bodies/bodies.ts";
import type { HttpRequest } from "../../../runtime/contract/contract.ts";
import { type ErrorType, errorStatus, fail, ServiceError } from "../../../runtime/errors/errors.ts";
import type { Face } from "../../../runtime/http/http.ts";
import { addPage } from "../routes/routes.ts";

/** The API as pages use it. A failure is thrown with the API's own words. */
export interface Api {
  get: <T>(path: string) => Promise<T>;
  post: <T>(path: string, body: unknown) => Promise<T>;
}

/** The page was let in already: its questions are asked within this process. */
export function apiOf(face: Face, { requestId, signal }: { requestId: string; signal: AbortSignal }): Api {
  const ask = async <T>(method: string, path: string, body?: unknown): Promise<T> => {
    const request = new Request(`http://localhost${path}`, {
      method,
      signal,
      headers: { accept: "application/json", "content-type": "application/json", "x-request-id": requestId },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const response = await face.fetch(request, sameProcess);
    if (response.ok) return (await response.json()) as T;
    throw failureOf(await response.json().catch(() => undefined), {
      path,
      status: response.status,
      requestId,
    });
  };
  return { get: (path) => ask("GET", path), post: (path, body) => ask("POST", path, body) };
}

/** The API's error, in its own form or in OpenAI's, whose `code` is what our `type` is. */
function failureOf(
  body: unknown,
  { path, status, requestId }: { path: string; status: number; requestId: string },
): ServiceError {
  const error: { type?: unknown; code?: unknown; message?: unknown; details?: unknown } = Object(
    Object(body).error,
  );
  const { type, code, message, details } = error;
  const known = [code, type].find((each) => Object.hasOwn(errorStatus, String(each)));
  return fail(
    (known as ErrorType | undefined) ?? "bad_gateway",
    typeof message === "string" ? message : `${path} answered ${status}`,
    { details: { ...Object(details), request_id: requestId } },
  );
}

/** The answer, or what a page says in its place where this part cannot be had. */
export const orFailure = <T>(asked: Promise<T>): Promise<T | ServiceError> =>
  asked.catch((cause: unknown) => {
    if (cause instanceof ServiceError) return cause;
    throw cause;
  });

/** Longest token that a cookie is made for; browsers keep 4 KiB. */
const tokenMax = 2000;
const formBytesMax = 8192;

/** Signing in and out. Whether the token is right shows at the next page, where the gate looks at it. */
export function mountSession(face: Face): void {
  addPage(
    face,
    "/console/session",
    async (request) => {
      const site = request.headers.get("sec-fetch-site");
      if (site !== null && site !== "same-origin")
        throw fail("forbidden", "sign in from a page of this address");
      const form = new URLSearchParams(new TextDecoder().decode(await readBytes(request, formBytesMax)));
      const token = (form.get("token") ?? "").trim();
      if (!/^[\x21-\x7e]+$/.test(token) || token.length > tokenMax || /[;,"\\]/.test(token))
        throw fail(
          "bad_request",
          'expected a token: letters, digits and signs, without spaces, ; , " and \\',
        );
      return leaving(cookie(request, token));
    },
    { method: "POST", open: true },
  );
  addPage(face, "/console/sign-out", (request) => leaving(cookie(request, "", "; Max-Age=0")), {
    open: true,
  });
}

const cookie = (request: HttpRequest, token: string, more = ""): string => {
  const isSecure = request.headers.get("x-forwarded-proto") === "https";
  return `${tokenCookie}=${token}; Path=/; HttpOnly; SameSite=Strict${isSecure ? "; Secure" : ""}${more}`;
};

const leaving = (setCookie: string): Response =>
  new Response(null, {
    status: 303,
    headers: { location: "/", "set-cookie": setCookie, "cache-control": "no-store" },
  });
