/** An error as a page. Where a token is missing, it asks for one. */
import type { WireError } from "../errors/errors.ts";

/** Where the console's style sheet is, and where it takes a token. */
const [style, session] = ["/console/assets/style.css", "/console/session"];

const escaped = (text: string): string =>
  text.replace(
    /[&<>"]/g,
    (char) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[char] ?? char,
  );

export function errorPage(
  { type, message }: WireError,
  { status, requestId, headers }: { status: number; requestId: string; headers: Record<string, string> },
): Response {
  const isLocked = status === 401;
  const title = isLocked ? "Sign in" : `${status} ${type}`;
  const form = `<form method="post" action="${session}"><label>Token <input type="password" name="token" required autofocus autocomplete="current-password"></label> <button>Sign in</button></form>`;
  const body = isLocked
    ? `<p>This Lakehouse asks for a token: one of <code>auth.token</code> and <code>auth.secondary_tokens</code>. It stays in this browser until you sign out.</p>${form}`
    : `<p role="alert">${escaped(message)}</p><p class="quiet">Request ${escaped(requestId)}</p><p><a href="/">To the start</a></p>`;
  const page = `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escaped(title)} · Lakehouse</title><link rel="stylesheet" href="${style}"></head><body class="alone"><main><h1>${escaped(title)}</h1>${body}</main></body></html>`;
  return new Response(page, {
    status,
    headers: {
      ...headers,
      "content-type": "text/html; charset=utf-8",
      "content-security-policy":
        "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
      "cache-control": "no-store",
    },
  });
}
