/**
 * Writes a staffing CSV of any size from a seed: `bun scripts/sample-data/make-workers.ts [--rows 500000] [--seed 1] [--out FILE|-]`.
 * 18 columns in UTF-8, RFC 4180 quoting with LF ends, about 640 bytes a row. Row n depends on the seed and n alone,
 * so a shorter file of the same seed is the beginning of a longer one.
 */
import { parseArgs } from "node:util";
import { createProgress } from "../command-line/command-line.ts";
import { places } from "./places.ts";
import { firstNames, lastNames, praise, trades, wishes } from "./tables.ts";

export const workerColumns = [
  ...["worker_id", "name", "email", "phone", "role", "city", "state", "zip", "availability", "hourly_rate"],
  ...["hired_on", "last_active_at", "certifications", "skills", "shift", "reliability", "active", "notes"],
] as const;

interface WorkersOptions {
  rows: number;
  /** 0 to 2^32 - 1. */
  seed: number;
}

/** The file is written in pieces of about this size. */
const pieceChars = 1 << 20;
const firstDay = Date.UTC(2010, 0, 1);
const dayMs = 86_400_000;
/** The last day of the data, 2025-06-30. */
const lastDay = (Date.UTC(2025, 5, 30) - firstDay) / dayMs;
const days = Array.from({ length: lastDay + 1 }, (_, day) =>
  new Date(firstDay + day * dayMs).toISOString().slice(0, 10),
);
const twoDigits = Array.from({ length: 100 }, (_, number) => String(number).padStart(2, "0"));
const mailHosts = ["example.com", "example.org", "example.net"] as const;

/** splitmix32 (Steele, Lea and Flood 2014, with the 32-bit constants of Mulvey's hash prospector): fast, and good enough for data. */
const mix = (state: number): number => {
  let z = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  return (z ^ (z >>> 15)) >>> 0;
};

interface Dice {
  /** An integer of 0 to below `count`. */
  below: (count: number) => number;
  /** True once in `count` throws. */
  once: (count: number) => boolean;
  pick: <T>(list: readonly T[]) => T;
}

const diceOf = (seed: number, row: number): Dice => {
  let state = mix(seed ^ 0x9e3779b9) ^ Math.imul(row + 1, 0x85ebca6b);
  const below = (count: number): number => {
    state = (state + 0x9e3779b9) | 0;
    return Math.floor((mix(state) / 4_294_967_296) * count);
  };
  return {
    below,
    once: (count) => below(count) === 0,
    pick: (list) => list[below(list.length)] as (typeof list)[number],
  };
};

/** A few different entries of the list, in its order. */
function some(dice: Dice, list: readonly string[], most: number): string[] {
  const from = dice.below(list.length);
  const count = 1 + dice.below(most);
  return list.filter((_, at) => (at - from + list.length) % list.length < count);
}

const decimal = (hundredths: number): string =>
  `${Math.floor(hundredths / 100)}.${twoDigits[hundredths % 100]}`;

/** The fields of row `row` (from 0), as they read after parsing. */
export function workerRow(seed: number, row: number): string[] {
  const dice = diceOf(seed, row);
  const [first, plainFirst] = dice.pick(firstNames);
  const [last, plainLast] = dice.pick(lastNames);
  const place = dice.pick(places);
  const trade = dice.pick(trades);
  const [role, lowest, highest] = dice.pick(trade.roles);
  // More of the later years: people leave. Skill, pay and reliability grow with the years served.
  const hired = Math.max(dice.below(lastDay), dice.below(lastDay));
  const years = Math.floor((lastDay - hired) / 365);
  const served = Math.min(1, years / 10);
  const idleDays = dice.once(8)
    ? dice.below(lastDay - hired + 1)
    : dice.below(Math.min(30, lastDay - hired + 1));
  const reliability = Math.min(1000, 620 + dice.below(280) + Math.floor(served * 110));
  const cents = Math.round(
    (lowest + (highest - lowest) * (0.7 * served + dice.below(300) / 1000)) * place.wage * 100,
  );
  const time = `${twoDigits[dice.below(24)]}:${twoDigits[dice.below(60)]}:${twoDigits[dice.below(60)]}`;
  const phone = `+1 ${place.area} 555 ${1000 + dice.below(9000)}`;
  const certifications = dice.once(5) ? "" : some(dice, trade.certifications, 3).join(", ");
  const skills = some(dice, trade.skills, 4).join("; ");
  return [
    String(row + 1),
    `${first} ${last}`,
    dice.once(33) ? "" : `${plainFirst}.${plainLast}${dice.below(1000)}@${dice.pick(mailHosts)}`,
    dice.once(50) ? "" : phone,
    role,
    place.city,
    place.state,
    place.zip3 + twoDigits[1 + dice.below(99)],
    decimal(idleDays > 90 ? dice.below(30) : 40 + dice.below(61)),
    dice.once(200) ? "" : decimal(cents),
    days[hired] ?? "",
    dice.once(100) ? "" : `${days[lastDay - idleDays]} ${time}`,
    certifications,
    skills,
    dice.pick(trade.shifts),
    String(reliability / 1000),
    idleDays > 365 ? "false" : "true",
    dice.once(60) ? "" : notes(dice, trade, role, place.city, years),
  ];
}

/** A few lines as a recruiter would leave them: about 470 bytes. */
function notes(
  dice: Dice,
  trade: (typeof trades)[number],
  role: string,
  city: string,
  years: number,
): string {
  const experience = years === 0 ? "New this year" : `${years} year${years === 1 ? "" : "s"} with us`;
  const opening = `${role} in ${city}, ${experience}, last at ${dice.pick(trade.sites)}.`;
  const from = dice.below(trade.duties.length);
  const duty = (step: number): string => `${trade.duties[(from + step) % trade.duties.length]}.`;
  const duties = dice.once(3)
    ? `- ${duty(0)}\n- ${duty(1)}\n- ${duty(2)}\n- ${duty(3)}`
    : `${duty(0)} ${duty(1)} ${duty(2)}`;
  return `${opening}\n${duties}\n${dice.pick(praise)}. ${dice.pick(wishes)}.`;
}

const needsQuotes = /[",\r\n]/;
const quoted = (field: string): string =>
  needsQuotes.test(field) ? `"${field.replaceAll('"', '""')}"` : field;

/** The file's bytes, in pieces of about 1 MiB; memory does not grow with the rows. `onPiece` is told the rows so far. */
export function* workersPieces(
  { rows, seed }: WorkersOptions,
  onPiece: (rows: number) => void = () => {},
): Generator<Uint8Array> {
  const encoder = new TextEncoder();
  let piece = `${workerColumns.join(",")}\n`;
  for (let row = 0; row < rows; row++) {
    piece += `${workerRow(seed, row).map(quoted).join(",")}\n`;
    if (piece.length < pieceChars) continue;
    yield encoder.encode(piece);
    onPiece(row + 1);
    piece = "";
  }
  if (piece !== "") yield encoder.encode(piece);
}

/** The file as a stream that is made as fast as it is read. */
export function workersCsv(options: WorkersOptions): ReadableStream<Uint8Array> {
  const pieces = workersPieces(options);
  return new ReadableStream({
    pull(controller) {
      const { value, done } = pieces.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
  });
}

const usage =
  "usage: bun scripts/sample-data/make-workers.ts [--rows 500000] [--seed 1] [--out FILE, - for standard output]\n";

function readArguments(): WorkersOptions & { out: string } {
  const text = { type: "string" } as const;
  const { values } = parseArgs({ options: { rows: text, seed: text, out: text } });
  const natural = (name: string, value: string | undefined, otherwise: number): number => {
    const number = value === undefined ? otherwise : Number(value);
    if (Number.isInteger(number) && number >= 0 && number < 2 ** 32) return number;
    throw new Error(`--${name}: expected an integer of 0 to 4294967295, not '${value}'`);
  };
  const rows = natural("rows", values.rows, 500_000);
  const size = rows > 0 && rows % 1000 === 0 ? `${rows / 1000}k` : String(rows);
  return { rows, seed: natural("seed", values.seed, 1), out: values.out ?? `workers_${size}.csv` };
}

/** Writes the file and returns its bytes. */
async function write({ out, ...options }: WorkersOptions & { out: string }): Promise<number> {
  const bar = createProgress("workers", { unit: "rows" });
  const sink = (out === "-" ? Bun.stdout : Bun.file(out)).writer();
  let bytes = 0;
  for (const piece of workersPieces(options, (rows) => bar.step(rows, options.rows))) {
    sink.write(piece);
    await sink.flush();
    bytes += piece.length;
  }
  await sink.end();
  bar.end();
  return bytes;
}

if (import.meta.main) {
  try {
    const options = readArguments();
    if (options.out !== "-") await Bun.write(options.out, "");
    const bytes = await write(options);
    process.stderr.write(`${options.out}: ${options.rows} rows, ${bytes} bytes\n`);
  } catch (cause) {
    process.stderr.write(`${cause instanceof Error ? cause.message : cause}\n${usage}`);
    process.exit(1);
  }
}
