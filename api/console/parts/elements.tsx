/** @jsxImportSource hono/jsx */
/** Small parts that many pages have. */
import type { Child } from "hono/jsx";
import type { ServiceError } from "../../../runtime/errors/errors.ts";
import { frame as says } from "../texts/texts.ts";

/** A table with a heading of each column; `empty` stands where there are no rows. */
export const Table = ({
  label,
  heads,
  rows,
  empty,
}: {
  label: string;
  heads: readonly string[];
  rows: readonly (readonly Child[])[];
  empty: string;
}) =>
  rows.length === 0 ? (
    <Empty>{empty}</Empty>
  ) : (
    // Wide tables scroll by keyboard as well.
    <section class="scrolls" tabindex={0} aria-label={label}>
      <table>
        <thead>
          <tr>
            {heads.map((head) => (
              <th scope="col">{head}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr>
              {row.map((cell) => (
                <td>{cell}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );

export const Empty = ({ children }: { children?: Child }) => <p class="empty">{children}</p>;

/** A part of a page that could not be had, in the API's own words. */
export const Failure = ({ error }: { error: ServiceError }) => (
  <p class="failure" role="alert">
    <strong>{error.type}</strong> {error.message}{" "}
    <small>{says.request(String(Object(error.details).request_id ?? ""))}</small>
  </p>
);

const good = new Set(["ready", "done", "ok"]);
const waiting = new Set([
  "starting",
  "queued",
  "waiting",
  "running",
  "receiving",
  "writing",
  "building",
  "registering",
  "inferring",
]);
export const State = ({ of }: { of: string }) => (
  <span class={`state ${good.has(of) ? "good" : waiting.has(of) ? "busy" : "bad"}`}>{of}</span>
);

export const Bad = ({ children }: { children?: Child }) => <span class="state bad">{children}</span>;

export const Stat = ({ label, children }: { label: string; children?: Child }) => (
  <div class="stat">
    <dt>{label}</dt>
    <dd>{children}</dd>
  </div>
);

export const Fields = ({ of }: { of: readonly (readonly [Child, Child])[] }) => (
  <dl class="fields">
    {of.map(([name, value]) => (
      <>
        <dt>{name}</dt>
        <dd>{value}</dd>
      </>
    ))}
  </dl>
);

/**
 * A button that sends one request to the API. `says` is asked before it: what will happen, in a sentence. Then `to` is
 * opened, or the page again; with a `notice` the page stays, and says that of the answer.
 */
export const Action = ({
  method,
  path,
  body,
  says,
  to,
  notice,
  danger,
  children,
}: {
  method: "POST" | "PUT" | "DELETE" | "PATCH";
  path: string;
  body?: unknown;
  says?: string;
  to?: string;
  notice?: string;
  danger?: boolean;
  children?: Child;
}) => (
  <button
    type="button"
    class={danger ? "danger" : undefined}
    data-method={method}
    data-path={path}
    data-body={body === undefined ? undefined : JSON.stringify(body)}
    data-says={says}
    data-to={to}
    data-notice={notice}
  >
    {children}
  </button>
);
