/** @jsxImportSource hono/jsx */
/** The newest lines of the services' logs, asked for again every few seconds. */
import type { ReplyOf } from "../../../runtime/contract/contract.ts";
import { ServiceError } from "../../../runtime/errors/errors.ts";
import type { Gateway } from "../../gateway/contract.ts";
import { Empty, Failure, moment, type PageContext } from "../parts/parts.ts";
import { orFailure } from "../session/session.ts";
import { system as says } from "../texts/texts.ts";

type Lines = ReplyOf<Gateway["endpoints"]["log"]>;

const levels = ["debug", "info", "warn", "error"];

export const Log = ({ services }: { services: readonly string[] }) => (
  <>
    <form class="row" hx-get="/system" hx-target="#log" hx-trigger="load, change, every 5s" action="/system">
      <input type="hidden" name="part" value="log" />
      <label>
        {says.logService}{" "}
        <select name="service">
          <option value="">{says.logAll}</option>
          {services.map((name) => (
            <option>{name}</option>
          ))}
        </select>
      </label>
      <label>
        {says.logLevel}{" "}
        <select name="level">
          {levels.map((name) => (
            <option selected={name === "info"}>{name}</option>
          ))}
        </select>
      </label>
    </form>
    <div id="log"></div>
  </>
);

export async function logLines({ api, query }: Pick<PageContext, "api" | "query">) {
  const asked = ["service", "level"].filter((name) => (query.get(name) ?? "") !== "");
  const search = new URLSearchParams(asked.map((name) => [name, query.get(name) ?? ""]));
  const found = await orFailure(api.get<Lines>(`/v1/system/log?${search}`));
  if (found instanceof ServiceError) return <Failure error={found} />;
  const { lines, away } = found;
  return (
    <>
      {away.length > 0 && <p class="note">{says.logAway(away.join(", "))}</p>}
      {lines.length === 0 ? (
        <Empty>{says.logEmpty}</Empty>
      ) : (
        <pre class="scrolls log" tabindex={0}>
          {lines.map(({ time, level, service, msg, ...fields }) => (
            <div class={level}>
              {moment(time)} {level} <strong>{service}</strong> {msg}{" "}
              {Object.keys(fields).length === 0 ? "" : JSON.stringify(fields)}
            </div>
          ))}
        </pre>
      )}
    </>
  );
}
