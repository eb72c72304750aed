/** What runs now goes on by itself: each job's own events move its bar. */
import { byId } from "../browser/browser.ts";

interface JobEvent {
  progress?: number;
  rows_read?: number;
  rows_total?: number;
}

/** A browser has six connections to one address; the page itself needs some. */
const streamsMax = 3;
const streams = new Map<string, EventSource>();

function follow(): void {
  const bars = [...byId("running").querySelectorAll<HTMLProgressElement>("progress[data-events]")];
  for (const { dataset } of bars) {
    const { events = "" } = dataset;
    if (streams.has(events) || streams.size >= streamsMax) continue;
    const stream = new EventSource(events);
    streams.set(events, stream);
    const over = () => {
      stream.close();
      streams.delete(events);
      byId("running").dispatchEvent(new Event("ended"));
    };
    stream.addEventListener("progress", ({ data }) => move(events, JSON.parse(data) as JobEvent));
    stream.addEventListener("done", over);
    stream.addEventListener("failed", over);
    // A stream without an end belongs to a service that stopped: the list says what became of it.
    stream.onerror = () => {
      stream.close();
      streams.delete(events);
    };
  }
}

/** The list is drawn anew now and then: the bar is the one that is there now. */
function move(events: string, { progress, rows_read: read, rows_total: total }: JobEvent): void {
  const bar = document.querySelector<HTMLProgressElement>(`progress[data-events="${CSS.escape(events)}"]`);
  const share = progress ?? (read !== undefined && total ? read / total : undefined);
  if (bar && share !== undefined) bar.value = share;
}

document.addEventListener("htmx:afterSwap", follow);
follow();
