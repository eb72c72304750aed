/** A picture of two columns, by uPlot. */
import UPlot from "uplot";
import type { Rows } from "../browser/browser.ts";
import { element } from "../browser/browser.ts";

/** Beyond so many points a picture shows no more. */
const pointsMax = 200_000;
const binsOfHistogram = 40;
const [height, barShare] = [280, 0.8];

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
  if (ys.every(Number.isNaN)) {
    tell(place, `${y} has no numbers: choose another column for y.`);
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
    tell(place, `${label} has no numbers: choose another column for x.`);
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
  plot(place, "bar", { data: [middles, counts], labels: [label, "rows"], isTime: false });
}

interface Plotted {
  data: [number[], number[]];
  labels: readonly [string, string];
  isTime: boolean;
  names?: string[];
}

function plot(place: HTMLElement, kind: string, { data, labels, isTime, names }: Plotted): void {
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
        x: half > 0 ? { time: isTime, range } : { time: isTime },
        // Bars stand on nothing.
        y: kind === "bar" ? { range: (_, least, most) => [Math.min(0, least), Math.max(0, most)] } : {},
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
