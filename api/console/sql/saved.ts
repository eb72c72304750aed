/** Statements that are saved under a name, for everybody: opened, saved and dropped. */
import { byId, call, confirmed, element, notice, told } from "../browser/browser.ts";
import { sql as says } from "../texts/texts.ts";

interface Saved {
  name: string;
  sql: string;
  description?: string;
  parameters?: Record<string, { type: string; default?: unknown }>;
}

interface SavedDoor {
  /** What is to be saved, with the values of its parameters. */
  current: () => { text: string; values: Record<string, unknown> };
  open: (text: string, defaults: Record<string, unknown>) => void;
}

const types = ["text", "integer", "number", "boolean", "date", "timestamp"];
const path = (name: string) => `/v1/queries/${encodeURIComponent(name)}`;

export function openSaved({ current, open }: SavedDoor): void {
  const select = byId<HTMLSelectElement>("saved");
  const drop = byId<HTMLButtonElement>("saved-drop");
  let known: readonly Saved[] = [];
  const show = async (chosen = "") => {
    const answer = await call("GET", "/v1/queries?page_size=1000");
    known = ((await answer.json()) as { queries: Saved[] }).queries;
    const options = known.map(({ name, description = "" }) =>
      element("option", { value: name, textContent: name, title: description, selected: name === chosen }),
    );
    select.replaceChildren(element("option", { value: "", textContent: "…" }), ...options);
    drop.disabled = select.value === "";
  };
  const failed = (cause: unknown) => notice(told(cause), true);
  select.onchange = () => {
    drop.disabled = select.value === "";
    const found = known.find(({ name }) => name === select.value);
    if (!found) return;
    const defaults = Object.entries(found.parameters ?? {}).map(([name, parameter]) => [
      name,
      parameter.default ?? "",
    ]);
    open(found.sql, Object.fromEntries(defaults));
  };
  drop.onclick = async () => {
    const name = select.value;
    if (!(await confirmed(says.dropSays(name), says.drop))) return;
    await call("DELETE", path(name))
      .then(() => show())
      .then(() => notice(says.dropped(name)))
      .catch(failed);
  };
  byId("save").onclick = () =>
    saveDialog({ ...current(), name: select.value, known }, (name) => void show(name).catch(failed));
  void show().catch(failed);
}

interface ToSave {
  text: string;
  values: Record<string, unknown>;
  /** Of the one that is chosen: what is saved may be its next version. */
  name: string;
  known: readonly Saved[];
}

function saveDialog({ text, values, name, known }: ToSave, saved: (name: string) => void): void {
  const chosen = known.find((each) => each.name === name);
  const failure = element("div", { role: "alert" });
  const nameField = element("input", { value: name, required: true, autofocus: true, maxLength: 128 });
  const descriptionField = element("input", { value: chosen?.description ?? "", maxLength: 4000 });
  const fields = Object.entries(values).map(([parameter, value]) => ({
    parameter,
    type: element(
      "select",
      { ariaLabel: says.typeOf(parameter) },
      ...types.map((type) =>
        element("option", {
          textContent: type,
          selected: type === (chosen?.parameters?.[parameter]?.type ?? typeOf(value)),
        }),
      ),
    ),
    given: element("input", { value: String(value ?? ""), ariaLabel: says.defaultOf(parameter) }),
  }));
  const cancel = element("button", { type: "button", textContent: says.cancel });
  const form = element(
    "form",
    {},
    element("p", { className: "quiet", textContent: says.saveHelp }),
    element("p", {}, element("label", {}, `${says.name} `, nameField)),
    element("p", {}, element("label", {}, `${says.description} `, descriptionField)),
    ...fields.map(({ parameter, type, given }) =>
      element("p", { className: "row" }, element("code", { textContent: `$${parameter}` }), type, given),
    ),
    failure,
    element("p", { className: "row" }, element("button", { textContent: says.doSave }), cancel),
  );
  const dialog = element("dialog", { ariaLabel: says.saveTitle }, form);
  cancel.onclick = () => dialog.close();
  dialog.onclose = () => dialog.remove();
  form.onsubmit = (event) => {
    event.preventDefault();
    const parameters = Object.fromEntries(
      fields.map(({ parameter, type, given }) => [
        parameter,
        { type: type.value, ...(given.value !== "" && { default: defaultOf(type.value, given.value) }) },
      ]),
    );
    const body = {
      sql: text,
      ...(descriptionField.value !== "" && { description: descriptionField.value }),
      ...(fields.length > 0 && { parameters }),
    };
    call("PUT", path(nameField.value), { body })
      .then(async (response) => {
        const { version } = (await response.json()) as { version: number };
        notice(says.savedAs(nameField.value, version));
        saved(nameField.value);
        dialog.close();
      })
      .catch((cause) =>
        failure.replaceChildren(element("p", { className: "failure", textContent: told(cause) })),
      );
  };
  document.body.append(dialog);
  dialog.showModal();
}

const typeOf = (value: unknown): string => {
  if (typeof value === "boolean") return "boolean";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  return /^\d{4}-\d\d-\d\d$/.test(String(value)) ? "date" : "text";
};

/** Texts that are no numbers are sent as they are: the API says what it expected. */
const defaultOf = (type: string, text: string): unknown => {
  if (type === "boolean" && /^(true|false)$/.test(text)) return text === "true";
  const isNumber = type === "integer" || type === "number";
  return isNumber && text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text) : text;
};
