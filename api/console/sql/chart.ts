/** A picture of two columns, by uPlot. */
import UPlot from "uplot";
import type { Rows } from "../browser/browser.ts";
import { element } from "../browser/browser.ts";
import { sql as says } from "../texts/texts.ts";

/** Beyond so many points a picture shows no more. */
const pointsMax = 200_000;
const binsOfHistogram = 40;
const [height, barShare] = [280, 0.8];

/** The columns that say where a row is, by their names; undefined where there are none. */
export function placesOf({ columns }: Pick<Rows, "columns">): { lat: string; lon: string } | undefined {
  const named = (words: string) =>
    columns.find(({ name }) => new RegExp(`(^|_)(${words})$`, "i").test(name))?.name;
  const [lat, lon] = [named("lat|latitude"), named("lon|lng|long|longitude")];
  return lat === undefined || lon === undefined ? undefined : { lat, lon };
}

export function drawChart(
  place: HTMLElement,
  { columns, rows }: Rows,
  { kind, x, y }: { kind: string; x: string; y: string },
): void {
  place.replaceChildren();
  if (kind === "") return;
  const values = (name: string) => rows.slice(0, pointsMax).map((row) => row[name]);
  const typeOf = (name: string) => columns.find((column) => column.name === name)?.type ?? "";
  const numbers = (name: string) =>
    values(name).map((value) => (value === null ? Number.NaN : Number(value)));
  if (kind === "histogram") {
    histogram(place, numbers(x), x);
    return;
  }
  const ys = numbers(y);
  if (kind === "map") {
    map(place, { lons: numbers(x), lats: ys, labels: [x, y] });
    return;
  }
  if (ys.every(Number.isNaN)) {
    tell(place, says.noNumbers(y, says.y));
    return;
  }
  const isTime = /^(DATE|TIMESTAMP)/.test(typeOf(x));
  const own = isTime ? values(x).map((value) => Date.parse(String(value)) / 1000) : numbers(x);
  // Texts stand beside each other in the order of the rows.
  const isText = !isTime && own.every(Number.isNaN);
  const xs = isText ? own.map((_, at) => at) : own;
  const order = xs.map((_, at) => at).filter((at) => !Number.isNaN(xs[at]) && !Number.isNaN(ys[at]));
  order.sort((a, b) => (xs[a] ?? 0) - (xs[b] ?? 0));
  const names = values(x).map(String);
  plot(place, kind, {
    data: [order.map((at) => xs[at] ?? 0), order.map((at) => ys[at] ?? 0)],
    labels: [x, y],
    isTime,
    ...(isText && { names }),
  });
}

function histogram(place: HTMLElement, all: readonly number[], label: string): void {
  const numbers = all.filter((value) => Number.isFinite(value));
  if (numbers.length === 0) {
    tell(place, says.noNumbers(label, says.x));
    return;
  }
  const [least, most] = numbers.reduce(
    ([a, b], value) => [Math.min(a, value), Math.max(b, value)],
    [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
  );
  const width = (most - least) / binsOfHistogram || 1;
  const counts = new Array<number>(binsOfHistogram).fill(0);
  for (const value of numbers) {
    const bin = Math.min(binsOfHistogram - 1, Math.floor((value - least) / width));
    counts[bin] = (counts[bin] ?? 0) + 1;
  }
  const middles = counts.map((_, at) => least + (at + 0.5) * width);
  plot(place, "bar", { data: [middles, counts], labels: [label, says.rows], isTime: false });
}

/** Room around the outermost places, as a share of what they span; of one place alone, in degrees. */
const [mapMargin, mapLeast] = [0.1, 0.05];

/** Equirectangular: a degree of longitude is as long as the middle latitude makes it. */
function map(
  place: HTMLElement,
  { lons, lats, labels }: { lons: number[]; lats: number[]; labels: readonly [string, string] },
): void {
  const found = lons.flatMap((lon, at) => {
    const lat = lats[at] ?? Number.NaN;
    return Math.abs(lon) <= 180 && Math.abs(lat) <= 90 ? [{ lon, lat }] : [];
  });
  if (found.length === 0) {
    tell(place, says.noPlaces(labels[1], labels[0]));
    return;
  }
  found.sort((a, b) => a.lon - b.lon);
  const span = (values: readonly number[]) => {
    const [least, most] = values.reduce(
      ([a, b], value) => [Math.min(a, value), Math.max(b, value)],
      [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
    );
    return { middle: (least + most) / 2, half: ((most - least) / 2) * (1 + mapMargin) + mapLeast };
  };
  const [x, y] = [span(found.map(({ lon }) => lon)), span(found.map(({ lat }) => lat))];
  const shrink = Math.cos((y.middle * Math.PI) / 180);
  const rangeOf =
    (axis: "x" | "y") =>
    (plot: UPlot): [number, number] => {
      // Degrees of latitude in a pixel, for both axes the larger of what each needs.
      const { width, height: tall } = plot.bbox;
      const scale = Math.max((x.half * shrink) / (width || 1), y.half / (tall || 1));
      const half = axis === "x" ? (scale * width) / shrink : scale * tall;
      const { middle } = axis === "x" ? x : y;
      return [middle - (half || x.half), middle + (half || y.half)];
    };
  plot(place, "scatter", {
    data: [found.map(({ lon }) => lon), found.map(({ lat }) => lat)],
    labels: [says.degrees(labels[0]), says.degrees(labels[1])],
    isTime: false,
    ranges: { x: rangeOf("x"), y: rangeOf("y") },
  });
}

interface Plotted {
  data: [number[], number[]];
  labels: readonly [string, string];
  isTime: boolean;
  names?: string[];
  ranges?: { x: (plot: UPlot) => [number, number]; y: (plot: UPlot) => [number, number] };
}

function plot(place: HTMLElement, kind: string, { data, labels, isTime, names, ranges }: Plotted): void {
  const ink = getComputedStyle(document.body).color;
  // A canvas takes no light-dark(): the colour of links is the accent as it is now.
  const accent = getComputedStyle(document.querySelector("a") ?? document.body).color;
  const axis = { stroke: ink, grid: { stroke: "#8884" }, ticks: { stroke: "#8884" } };
  const paths = kind === "bar" ? UPlot.paths.bars?.({ size: [barShare, 100] }) : undefined;
  const series = {
    label: labels[1],
    stroke: kind === "scatter" ? "transparent" : accent,
    fill: kind === "bar" ? accent : undefined,
    ...(paths && { paths }),
    points: { show: kind === "scatter", fill: accent, stroke: accent },
  };
  // The first and the last bar are drawn whole.
  const half = kind === "bar" && data[0].length > 1 ? ((data[0][1] ?? 0) - (data[0][0] ?? 0)) / 2 : 0;
  const range = (_: UPlot, min: number, max: number): [number, number] => [min - half, max + half];
  const named = names && {
    incrs: [1, 2, 5, 10, 20, 50, 100, 1000, 10_000, 100_000],
    values: (_: unknown, ticks: number[]) =>
      ticks.map((tick) => (Number.isInteger(tick) ? (names[tick] ?? "") : "")),
  };
  new UPlot(
    {
      width: Math.max(300, place.clientWidth),
      height,
      scales: {
        x: ranges ? { time: false, range: ranges.x } : half > 0 ? { time: isTime, range } : { time: isTime },
        y: ranges
          ? { range: ranges.y }
          : // Bars stand on nothing.
            kind === "bar"
            ? { range: (_, least, most) => [Math.min(0, least), Math.max(0, most)] }
            : {},
      },
      series: [{ label: labels[0] }, series as UPlot.Series],
      axes: [{ ...axis, ...named } as UPlot.Axis, axis],
    },
    data,
    place,
  );
}

const tell = (place: HTMLElement, text: string): void =>
  place.replaceChildren(element("p", { className: "note", textContent: text }));
