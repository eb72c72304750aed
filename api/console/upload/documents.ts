/** Documents, which become rows of a corpus: found by words and by meaning as soon as they are built in. */
import { element } from "../browser/browser.ts";
import { upload as says } from "../texts/texts.ts";
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
  const load = element("button", { type: "submit", className: "primary", textContent: says.addToCorpus });
  const form = element("form", { className: "row" }, element("label", {}, `${says.corpus} `, corpus), load);
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
  const text = says.documents(documents.length, chunks, corpus);
  const links = [
    element("a", { href: `/search?corpus=${corpus}`, textContent: says.searchIt(corpus) }),
    " ",
    element("a", { href: `/datasets/${corpus}`, textContent: says.open(corpus) }),
  ];
  const waits = index && index.state !== "ready" ? says.foundLater : "";
  return [
    ...(documents.length > 0
      ? [element("p", { className: "note", role: "status" }, text, ...links, waits)]
      : []),
    ...failed.map(({ file, message }) => failureOf(says.fileFailed(file, message))),
  ];
}
