/** XML of spreadsheets as a stream of tags, piece by piece: a sheet of a million rows is never held as a whole. */
import { Parser } from "htmlparser2";
import { fail } from "../../../runtime/errors/errors.ts";

export interface XmlEvents {
  /** Names are without their prefix. */
  open?: (name: string, attributes: Record<string, string>) => void;
  text?: (text: string) => void;
  close?: (name: string) => void;
  /** After each piece: what was found is written. False ends the reading. */
  piece?: () => Promise<unknown>;
}

const localName = (name: string): string => name.slice(name.indexOf(":") + 1);
const depthMax = 200;

/** Reads to the end, or until `piece` says that it is enough. Entities of a DTD are not expanded. Throws `unprocessable` for XML that ends in its middle. */
export async function readXmlStream(pieces: AsyncIterable<Uint8Array>, events: XmlEvents): Promise<void> {
  let depth = 0;
  const parser = new Parser(
    {
      onopentag: (name, attributes) => {
        depth += 1;
        if (depth > depthMax) throw fail("unprocessable", `its XML is nested deeper than ${depthMax} levels`);
        events.open?.(localName(name), attributes);
      },
      ontext: events.text ?? (() => {}),
      onclosetag: (name) => {
        depth -= 1;
        events.close?.(localName(name));
      },
    },
    { xmlMode: true, decodeEntities: true },
  );
  const decoder = new TextDecoder("utf-8", { fatal: true });
  for await (const piece of pieces) {
    parser.write(decoder.decode(piece, { stream: true }));
    if ((await events.piece?.()) === false) return;
  }
  if (depth > 0) throw fail("unprocessable", "its XML ends in its middle: the file is cut off");
  parser.end();
  await events.piece?.();
}
