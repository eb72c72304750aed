/** `$name` of a statement, each with a field. */
import { element } from "../browser/browser.ts";

export interface Parameters {
  /** Fields for the names in the text; those that stay keep what they hold. */
  show: (text: string) => void;
  /** What the fields hold, by name; undefined where the statement has none. */
  values: () => Record<string, unknown> | undefined;
  fill: (values: Readonly<Record<string, unknown>>) => void;
}

export function createParameters(place: HTMLElement): Parameters {
  const inputs = () => [...place.querySelectorAll("input")];
  return {
    show: (text) => {
      const names = namesIn(text);
      const known = new Map(inputs().map((input) => [input.name, input.value]));
      if (names.join() === [...known.keys()].join()) return;
      place.replaceChildren(
        ...names.map((name) =>
          element("label", {}, `$${name} `, element("input", { name, value: known.get(name) ?? "" })),
        ),
      );
    },
    values: () => {
      const all = inputs();
      if (all.length === 0) return undefined;
      return Object.fromEntries(all.map(({ name, value }) => [name, readAs(value)]));
    },
    fill: (values) => {
      for (const input of inputs())
        if (Object.hasOwn(values, input.name)) input.value = String(values[input.name]);
    },
  };
}

/** Outside quotes. */
function namesIn(text: string): string[] {
  const bare = text.replaceAll(/'[^']*'|"[^"]*"/g, "");
  return [...new Set(Array.from(bare.matchAll(/\$([A-Za-z_]\w*)/g), ([, name = ""]) => name))];
}

/** JSON where it reads so, and text otherwise. */
const readAs = (text: string): unknown =>
  /^(-?\d+(\.\d+)?|true|false|null)$/.test(text) ? JSON.parse(text) : text;
