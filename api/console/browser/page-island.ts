/** What every page can do: requests by buttons and forms, asking first where that is due; and going places by keyboard. */
import "htmx.org/dist/htmx.esm.js";
import { frame } from "../texts/texts.ts";
import { call, told } from "./api.ts";
import { byId, confirmed, copied, element, filled, notice } from "./elements.ts";

async function act(button: HTMLButtonElement): Promise<void> {
  const { method = "POST", path = "", body, says, to, notice: said } = button.dataset;
  if (says && !(await confirmed(says, button.textContent ?? frame.doIt))) return;
  await sending(button, async () => {
    const response = await call(method, path, body === undefined ? {} : { body: JSON.parse(body) });
    if (said !== undefined) notice(filled(said, await response.json()));
    else if (to !== undefined) location.assign(to);
    else if (says) location.reload();
    else notice(frame.done);
  });
}

async function sending(button: HTMLButtonElement | null, work: () => Promise<void>): Promise<void> {
  if (button) button.disabled = true;
  try {
    await work();
  } catch (cause) {
    notice(told(cause), true);
  } finally {
    if (button) button.disabled = false;
  }
}

/** Fields become the body; those whose names end with [] become lists, those with `data-json` what their JSON says. */
function bodyOf(form: HTMLFormElement): Record<string, unknown> {
  const body: Record<string, unknown> = {};
  for (const [name, value] of new FormData(form)) {
    const field = form.elements.namedItem(name);
    if (name.endsWith("[]"))
      body[name.slice(0, -2)] = [...((body[name.slice(0, -2)] as unknown[]) ?? []), value];
    else if (field instanceof HTMLElement && field.hasAttribute("data-json"))
      body[name] = jsonOf(name, String(value));
    else if (value !== "" || (field as HTMLInputElement).required) body[name] = value;
  }
  return body;
}

function jsonOf(name: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Error(frame.noJson(name, (cause as Error).message));
  }
}

/** Sends a form's fields. `data-says` is asked before; then `data-to` is opened, or the page again, where `data-notice` is told. */
async function submit(form: HTMLFormElement, submitter: HTMLElement | null): Promise<void> {
  // A field named `dataset` would stand before the property.
  const of = (name: string) => form.getAttribute(`data-${name}`);
  const [method = "POST", path = ""] = (of("call") ?? "").split(" ");
  const says = of("says");
  const does = submitter?.textContent ?? frame.doIt;
  if (says !== null && !(await confirmed(says, does))) return;
  await sending(submitter as HTMLButtonElement | null, async () => {
    const response = await call(method, path, { body: bodyOf(form) });
    const answer = (await response.json()) as Record<string, unknown>;
    if (answer.job_id !== undefined) await ended(`/v1/matrix/jobs/${answer.job_id}`);
    const said = of("notice");
    if (said !== null) sessionStorage.setItem(noticeKey, filled(said, answer));
    location.assign(filled(of("to") ?? location.href, answer, (value) => encodeURIComponent(String(value))));
  });
}

/** What the page before this one has to say. */
const noticeKey = "lakehouse.notice";
const said = sessionStorage.getItem(noticeKey);
if (said !== null) notice(said);
sessionStorage.removeItem(noticeKey);

/** Waits for a job's last event. Throws when it failed. */
function ended(job: string): Promise<void> {
  notice(frame.isBuilt);
  return new Promise((resolve, reject) => {
    const events = new EventSource(`${job}/events`);
    const over = (failed: boolean) => (event: Event) => {
      events.close();
      const { error } = JSON.parse((event as MessageEvent).data ?? "{}") as { error?: { message: string } };
      if (failed) reject(new Error(error?.message ?? frame.jobFailed));
      else resolve();
    };
    events.addEventListener("done", over(false));
    events.addEventListener("failed", over(true));
  });
}

async function loadSample(button: HTMLButtonElement): Promise<void> {
  await sending(button, async () => {
    const sample = await (await call("GET", button.dataset.sample ?? "")).blob();
    await call("POST", "/v1/ingest?name=workers&format=csv", { body: sample });
    location.assign(button.dataset.to ?? "/");
  });
}

document.addEventListener("click", (event) => {
  const button = (event.target as Element).closest("button");
  if (button?.dataset.path) void act(button);
  else if (button?.dataset.sample) void loadSample(button);
  else if (button?.dataset.copy) copied(button.dataset.copy);
});
document.addEventListener("submit", (event) => {
  const form = event.target as HTMLFormElement;
  if (!form.hasAttribute("data-call")) return;
  event.preventDefault();
  void submit(form, event.submitter);
});
document.addEventListener("htmx:responseError", (event) => {
  const { xhr } = (event as CustomEvent<{ xhr: XMLHttpRequest }>).detail;
  const words = new DOMParser().parseFromString(xhr.responseText, "text/html").querySelector("[role=alert]");
  notice(words?.textContent ?? frame.answered(xhr.status), true);
});

// Offline: told once, until an answer comes again.
let isOffline = false;
document.addEventListener("htmx:sendError", () => {
  if (!isOffline) notice(frame.triesAgain, true);
  isOffline = true;
});
document.addEventListener("htmx:afterOnLoad", (event) => {
  (event.target as Element).setAttribute("data-loaded", "");
  if (isOffline) notice(frame.online);
  isOffline = false;
});

const listed = {
  datasets: "/v1/catalog/list?page_size=1000",
  views: "/v1/catalog/views?page_size=1000",
};

/** Pages and datasets by a few letters. */
async function openPalette(): Promise<void> {
  const input = element("input", {
    type: "search",
    ariaLabel: frame.goTo,
    placeholder: frame.goToHelp,
    autofocus: true,
  });
  const list = element("ul", { role: "listbox", ariaLabel: frame.goToPlaces });
  const dialog = element("dialog", { className: "palette", ariaLabel: frame.goTo }, input, list);
  const links = [...document.querySelectorAll<HTMLAnchorElement>("nav a")];
  const places = links.map((link) => ({ title: link.textContent ?? "", to: link.pathname }));
  const show = () => {
    const wanted = input.value.toLowerCase();
    const found = places.filter(({ title }) => title.toLowerCase().includes(wanted)).slice(0, 20);
    list.replaceChildren(
      ...found.map(({ title, to }) => element("li", {}, element("a", { href: to, textContent: title }))),
    );
  };
  input.oninput = show;
  dialog.onkeydown = (event) => {
    const items = [...list.querySelectorAll("a")];
    const at = items.indexOf(document.activeElement as HTMLAnchorElement);
    if (event.key === "Enter" && at < 0) items[0]?.click();
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (step === 0) return;
    event.preventDefault();
    (items[at + step] ?? input).focus();
  };
  dialog.onclose = () => dialog.remove();
  document.body.append(dialog);
  dialog.showModal();
  show();
  for (const [kind, first] of Object.entries(listed))
    for (let path: string | undefined = first; path !== undefined && dialog.open; ) {
      const page = (await (await call("GET", path)).json()) as Record<string, { name: string }[]>;
      places.push(...(page[kind] ?? []).map(({ name }) => ({ title: name, to: `/datasets/${name}` })));
      show();
      const token = page.next_page_token as unknown as string | undefined;
      path = token && `${first}&page_token=${encodeURIComponent(token)}`;
    }
}

const opensPalette = () => void openPalette().catch((cause) => notice(told(cause), true));
byId("palette-open").addEventListener("click", opensPalette);
document.addEventListener("keydown", (event) => {
  if (!(event.ctrlKey || event.metaKey) || event.key !== "k") return;
  event.preventDefault();
  if (!document.querySelector("dialog.palette")) opensPalette();
});
