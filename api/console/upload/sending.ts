/** One file on its way: how much of it is sent, how long the rest takes, and what became of it. */
import { element, errorOf, told } from "../browser/browser.ts";

/** By XMLHttpRequest: fetch says nothing of what was sent. */
export function send<Answer>(
  file: File,
  path: string,
  { place, shown }: { place: HTMLElement; shown: (answer: Answer) => HTMLElement[] },
): Promise<void> {
  const bar = element("progress", { max: 1, value: 0, ariaLabel: `Progress of ${file.name}` });
  const state = element("p", { role: "status", className: "quiet" });
  const cancel = element("button", { type: "button", textContent: "Cancel" });
  const row = element("p", { className: "row" }, bar, cancel);
  place.querySelector(".outcome")?.remove();
  const outcome = element("div", { className: "outcome" }, row, state);
  place.append(outcome);
  const began = performance.now();
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    const end = (...shown: HTMLElement[]) => {
      outcome.replaceChildren(...shown);
      resolve();
    };
    request.upload.onprogress = ({ loaded, total }) => {
      const seconds = (performance.now() - began) / 1000;
      bar.value = loaded / total;
      const left = (seconds * (total - loaded)) / Math.max(1, loaded);
      state.textContent =
        loaded === total
          ? "All is sent; it is being written."
          : `${(loaded / 1e6).toFixed(1)} of ${(total / 1e6).toFixed(1)} MB, about ${left.toFixed(0)} s left`;
    };
    request.onload = () => {
      if (request.status === 200) return end(...shown(JSON.parse(request.responseText) as Answer));
      end(failureOf(told(errorOf(request.responseText, request.status))));
    };
    request.onerror = () =>
      end(failureOf("Lakehouse does not answer. Nothing was loaded, as far as is known."));
    request.onabort = () => end(failureOf("Cancelled; nothing was loaded."));
    cancel.onclick = () => request.abort();
    request.open("POST", path);
    request.setRequestHeader("content-type", "application/octet-stream");
    request.send(file);
  });
}

export const failureOf = (text: string): HTMLElement =>
  element("p", { className: "failure", role: "alert", textContent: text });
