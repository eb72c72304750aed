/** @jsxImportSource hono/jsx */
/** A picture of a corpus: a sample of its rows in the plane of their meanings, in colours of their metadata. */
import type { ReplyOf } from "../../../runtime/contract/contract.ts";
import { ServiceError } from "../../../runtime/errors/errors.ts";
import type { Matrixd } from "../../../workers/matrixd/contract.ts";
import type { Vectord } from "../../../workers/vectord/contract.ts";
import { count, Empty, Failure, type PageContext } from "../parts/parts.ts";
import { orFailure } from "../session/session.ts";
import { search as says } from "../texts/texts.ts";
import { project } from "./projection.ts";

type Corpus = ReplyOf<Matrixd["endpoints"]["corpus"]>;
type Items = ReplyOf<Vectord["endpoints"]["scroll"]>["items"];

/** Rows in a picture. */
const sampleMax = 500;
/** As many as the style sheet has colours for; the last is for all others. */
const coloursMax = 8;
const [width, height, edge] = [800, 420, 14];

export async function picture({ api, query }: PageContext) {
  const name = query.get("corpus") ?? "";
  const corpus = await orFailure(api.get<Corpus>(`/v1/matrix/corpora/${encodeURIComponent(name)}`));
  if (corpus instanceof ServiceError) return <Failure error={corpus} />;
  if (corpus.index === undefined) return <Empty>{says.noIndex}</Empty>;
  const found = await orFailure(
    api.post<{ items: Items }>(`/v1/vectors/index/${encodeURIComponent(corpus.index)}/items/scroll`, {
      include: ["metadata", "vector"],
      page_size: sampleMax,
    }),
  );
  if (found instanceof ServiceError) return <Failure error={found} />;
  const items = found.items.filter(({ vector }) => vector !== undefined);
  if (items.length === 0) return <Empty>{says.noIndex}</Empty>;
  const fields = [...new Set(items.flatMap(({ metadata = {} }) => Object.keys(metadata)))]
    .filter((field) => !field.startsWith("@"))
    .sort();
  const colour = fields.find((field) => field === query.get("colour"));
  return (
    <>
      <label>
        {says.colour}{" "}
        <select
          name="colour"
          hx-get={`/search?part=picture&corpus=${encodeURIComponent(name)}`}
          hx-target="#picture"
          hx-trigger="change"
        >
          <option value="">{says.noColour}</option>
          {fields.map((field) => (
            <option value={field} selected={field === colour}>
              {field}
            </option>
          ))}
        </select>
      </label>
      <Points items={items} colour={colour} rows={corpus.rows} />
    </>
  );
}

const Points = ({ items, colour, rows }: { items: Items; colour: string | undefined; rows: number }) => {
  const { points, share } = project(items.map(({ vector = [] }) => vector));
  const [x, y] = [
    scaled(
      points.map(([at]) => at),
      width,
    ),
    scaled(
      points.map(([, at]) => at),
      height,
    ),
  ];
  const shown = ({ metadata = {} }: Items[number]) =>
    colour === undefined ? "" : String(metadata[colour] ?? "");
  const classes = classesOf(items.map(shown));
  return (
    <>
      <p class="quiet">
        {says.pictureHelp(
          count(items.length),
          count(rows),
          items[0]?.vector?.length ?? 0,
          `${Math.round(100 * share)} %`,
        )}
      </p>
      <svg class="picture" viewBox={`0 0 ${width} ${height}`} role="img" aria-label={says.picture}>
        {items.map((item, at) => (
          <circle cx={x[at]} cy={y[at]} r="5" class={`colour-${classes.get(shown(item)) ?? coloursMax}`}>
            <title>{`${item.id} ${shown(item)}`}</title>
          </circle>
        ))}
      </svg>
      {colour !== undefined && (
        <p class="row">
          {[...classes].map(([value, at]) => (
            <span>
              <svg class="swatch" viewBox="0 0 10 10" aria-hidden="true">
                <circle cx="5" cy="5" r="5" class={`colour-${at}`} />
              </svg>{" "}
              {value}
            </span>
          ))}
          {new Set(items.map(shown)).size > classes.size && (
            <span>
              <svg class="swatch" viewBox="0 0 10 10" aria-hidden="true">
                <circle cx="5" cy="5" r="5" class={`colour-${coloursMax}`} />
              </svg>{" "}
              {says.others}
            </span>
          )}
        </p>
      )}
    </>
  );
};

/** The most frequent values, each with a colour of its own. */
function classesOf(values: readonly string[]): Map<string, number> {
  const counts = [...Map.groupBy(values, (value) => value)].map(([value, { length }]) => ({ value, length }));
  counts.sort((a, b) => b.length - a.length || (a.value < b.value ? -1 : 1));
  return new Map(counts.slice(0, coloursMax).map(({ value }, at) => [value, at]));
}

function scaled(values: readonly number[], size: number): number[] {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const span = most - least || 1;
  return values.map((value) => Math.round(edge + ((value - least) / span) * (size - 2 * edge)));
}
