/** One file on its way: how much of it is sent, how long the rest takes, and what became of it. */
import { element, errorOf, told } from "../browser/browser.ts";
import { upload as says } from "../texts/texts.ts";

/** By XMLHttpRequest: fetch says nothing of what was sent. */
export function send<Answer>(
  file: File,
  path: string,
  { place, shown }: { place: HTMLElement; shown: (answer: Answer) => HTMLElement[] | Promise<HTMLElement[]> },
): Promise<void> {
  const job = crypto.randomUUID();
  const bar = element("progress", { max: 1, value: 0, ariaLabel: says.progressOf(file.name) });
  const state = element("p", { role: "status", className: "quiet" });
  const cancel = element("button", { type: "button", textContent: says.cancel });
  const row = element("p", { className: "row" }, bar, cancel);
  place.querySelector(".outcome")?.remove();
  const outcome = element("div", { className: "outcome" }, row, state);
  place.append(outcome);
  const began = performance.now();
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    let events: EventSource | undefined;
    const end = (...shown: HTMLElement[]) => {
      events?.close();
      outcome.replaceChildren(...shown);
      resolve();
    };
    request.upload.onprogress = ({ loaded, total }) => {
      const seconds = (performance.now() - began) / 1000;
      bar.value = loaded / total;
      const left = (seconds * (total - loaded)) / Math.max(1, loaded);
      const rate = (loaded / 1e6 / Math.max(0.001, seconds)).toFixed(0);
      state.textContent = says.sent({
        sent: (loaded / 1e6).toFixed(1),
        all: (total / 1e6).toFixed(1),
        rate,
        seconds: left.toFixed(0),
      });
    };
    request.upload.onload = () => {
      state.textContent = says.allSent;
      bar.removeAttribute("value");
      events = followed(job, { bar, state });
    };
    request.onload = async () => {
      if (request.status !== 200) return end(failureOf(told(errorOf(request.responseText, request.status))));
      end(...(await shown(JSON.parse(request.responseText) as Answer)));
    };
    request.onerror = () => end(failureOf(says.away));
    request.onabort = () => end(failureOf(says.cancelled));
    cancel.onclick = () => request.abort();
    request.open("POST", path);
    request.setRequestHeader("content-type", "application/octet-stream");
    request.setRequestHeader("x-lakehouse-job-id", job);
    request.send(file);
  });
}

/** What the job itself says of what it does now. */
function followed(
  job: string,
  { bar, state }: { bar: HTMLProgressElement; state: HTMLElement },
): EventSource {
  const events = new EventSource(`/v1/ingest/jobs/${job}/events`);
  events.addEventListener("progress", ({ data }) => {
    const { state: now, progress } = JSON.parse(data as string) as { state: string; progress?: number };
    if (progress === undefined) bar.removeAttribute("value");
    else bar.value = progress;
    state.textContent = says.jobIs(now, progress === undefined ? "" : `${Math.round(100 * progress)} %`);
  });
  // The answer to the request says how it ended.
  for (const last of ["done", "failed", "error"]) events.addEventListener(last, () => events.close());
  return events;
}

export const failureOf = (text: string): HTMLElement =>
  element("p", { className: "failure", role: "alert", textContent: text });
