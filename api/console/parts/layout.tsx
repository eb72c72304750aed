/** @jsxImportSource hono/jsx */
/** The frame of every page: where one is, where one can go, and what scripts may do. */
import type { Child } from "hono/jsx";
import { bufferedResponse } from "../../../runtime/bodies/bodies.ts";
import { asset } from "../assets/assets.ts";
import type { Api } from "../session/session.ts";
import { frame as says } from "../texts/texts.ts";

export interface PageContext {
  api: Api;
  query: URLSearchParams;
  /** What the page is about, from its address; empty where it is about none. */
  name: string;
  /** Asked for by a page that is open, as a part of it. */
  isPart: boolean;
  path: string;
  /** The address that the page was opened by, without its path. */
  origin: string;
  /** Of the styles that an editor makes while it runs. */
  nonce: string;
}

/** Answers the page's HTML. */
export type Page = (context: PageContext) => Promise<unknown>;

/**
 * htmx neither evaluates text nor puts styles into the page: the policy forbids both. Going back loads the page: what a
 * browser keeps of it would have no islands, and would outlive an erasure.
 */
const htmxConfig = JSON.stringify({
  historyCacheSize: 0,
  refreshOnHistoryMiss: true,
  allowEval: false,
  includeIndicatorStyles: false,
  selfRequestsOnly: true,
});

export const Layout = ({
  title,
  at,
  nonce,
  islands = [],
  styles = [],
  children,
}: {
  title: string;
  at: PageContext["path"];
  nonce: string;
  /** Scripts beside the one that every page has. */
  islands?: readonly string[];
  styles?: readonly string[];
  children?: Child;
}) => (
  <html lang="en">
    <head>
      <meta charset="utf-8" />
      <meta name="viewport" content="width=device-width, initial-scale=1" />
      <title>{says.titleOf(title)}</title>
      <meta name="htmx-config" content={htmxConfig} />
      <meta name="nonce" content={nonce} />
      <link rel="icon" href="data:," />
      {["style.css", ...styles].map((name) => (
        <link rel="stylesheet" href={asset(name)} />
      ))}
      {["page.js", ...islands].map((name) => (
        <script type="module" src={asset(name)}></script>
      ))}
    </head>
    <body>
      <a class="skip" href="#main">
        {says.toContent}
      </a>
      <header>
        <a class="brand" href="/">
          {says.product}
        </a>
        <nav aria-label={says.pages}>
          {Object.entries(says.places).map(([path, name]) => (
            <a href={path} aria-current={isWithin(at, path) ? "page" : undefined}>
              {name}
            </a>
          ))}
        </nav>
        <button type="button" id="palette-open" class="quiet" aria-keyshortcuts="Control+K">
          {says.goTo}… <kbd>{says.goToKeys}</kbd>
        </button>
      </header>
      <main id="main" tabindex={-1}>
        <h1>{title}</h1>
        {children}
      </main>
      <div id="notices" role="status" aria-live="polite"></div>
    </body>
  </html>
);

const isWithin = (at: string, path: string): boolean =>
  path === "/" ? at === "/" : at === path || at.startsWith(`${path}/`);

export const nonceOf = (): string => crypto.randomUUID();

/** The answer of a page. Scripts and styles come from this address alone. */
export function pageResponse(html: string, nonce: string): Response {
  const isWhole = html.startsWith("<html");
  return bufferedResponse(new TextEncoder().encode(isWhole ? `<!doctype html>${html}` : html), {
    headers: {
      "content-type": "text/html; charset=utf-8",
      "content-security-policy": `default-src 'none'; script-src 'self'; style-src 'self' 'nonce-${nonce}'; img-src 'self' data:; connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`,
      "referrer-policy": "same-origin",
      "x-content-type-options": "nosniff",
      "cache-control": "no-store",
      vary: "hx-request",
    },
  });
}
