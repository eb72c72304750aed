/** XML of office documents as a stream of tags, and what their properties say. Entities of a DTD are not expanded. */
import { Parser } from "htmlparser2";
import type { Facts } from "./content.ts";

export interface XmlReading {
  open?: (name: string, attributes: Record<string, string>) => void;
  /** `within` is the element that the text stands in. */
  text?: (text: string, within: string) => void;
  close?: (name: string) => void;
}

export function readXml(xml: string, { open, text, close }: XmlReading): void {
  const path: string[] = [];
  const parser = new Parser(
    {
      onopentag: (name, attributes) => {
        path.push(name);
        open?.(name, attributes);
      },
      ontext: (piece) => text?.(piece, path.at(-1) ?? ""),
      onclosetag: (name) => {
        path.pop();
        close?.(name);
      },
    },
    { xmlMode: true, decodeEntities: true },
  );
  parser.end(xml);
}

/** Dublin Core as Office (`docProps/core.xml`) and OpenDocument (`meta.xml`) write it. */
const properties: Record<string, "title" | "author" | "date" | "subject"> = {
  "dc:title": "title",
  "dc:creator": "author",
  "meta:initial-creator": "author",
  "dc:subject": "subject",
  "dcterms:modified": "date",
  "dc:date": "date",
};

export function factsOf(xml: string | undefined): Facts {
  const facts: Facts = {};
  readXml(xml ?? "", {
    text: (piece, within) => {
      const name = properties[within];
      if (name !== undefined) facts[name] = (facts[name] ?? "") + piece;
    },
  });
  const { date, ...said } = facts;
  const at = Date.parse(date ?? "");
  const named = Object.entries(said).filter(([, value]) => String(value).trim() !== "");
  return { ...Object.fromEntries(named), ...(!Number.isNaN(at) && { date: new Date(at).toISOString() }) };
}
