/** Documents, which become rows of a corpus: found by words and by meaning as soon as they are built in. */
import { element } from "../browser/browser.ts";
import { failureOf, send } from "./sending.ts";

interface Loaded {
  corpus: string;
  version?: number;
  documents: { document: string; chunks: number; characters: number }[];
  failed: { file: string; type: string; message: string }[];
  index?: { state: string; job_id?: string };
}

export const isDocument = ({ name }: File): boolean =>
  /\.(pdf|docx|odt|pptx|html?|md|markdown|txt|eml|zip|tar|tgz|tar\.gz)$/i.test(name);

const corpusPattern = "[A-Za-z][A-Za-z0-9_]{0,99}";

export function offerDocument(file: File, place: HTMLElement): HTMLElement {
  const corpus = element("input", { value: "documents", required: true, pattern: corpusPattern });
  const load = element("button", { type: "submit", className: "primary", textContent: "Add to the corpus" });
  const form = element("form", { className: "row" }, element("label", {}, "Corpus ", corpus), load);
  form.onsubmit = async (event) => {
    event.preventDefault();
    const query = new URLSearchParams({ corpus: corpus.value, file: file.name });
    load.disabled = true;
    await send<Loaded>(file, `/v1/documents?${query}`, { place, shown: loadedOf });
    load.disabled = false;
  };
  return form;
}

function loadedOf({ corpus, documents, failed, index }: Loaded): HTMLElement[] {
  const chunks = documents.reduce((sum, each) => sum + each.chunks, 0);
  const text = `${documents.length} documents in ${chunks} rows of ${corpus}. `;
  const links = [
    element("a", { href: `/search?corpus=${corpus}`, textContent: `Search ${corpus}` }),
    " ",
    element("a", { href: `/datasets/${corpus}`, textContent: `Open ${corpus}` }),
  ];
  const waits =
    index && index.state !== "ready" ? " They are found when the corpus is built, in a moment." : "";
  return [
    ...(documents.length > 0
      ? [element("p", { className: "note", role: "status" }, text, ...links, waits)]
      : []),
    ...failed.map(({ file, message }) => failureOf(`${file}: ${message}`)),
  ];
}
