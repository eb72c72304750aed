/** The slider of memory: it fills in the time, which the form then asks for. */
import { byId } from "../browser/browser.ts";

const minute = 60_000;
/** As `agoSteps` of the texts. */
const agoMs = [0, 1, 10, 60, 360, 1440, 10_080, 43_200, 525_600].map((minutes) => minutes * minute);

const slider = byId<HTMLInputElement>("ago");
const steps = (slider.dataset.steps ?? "").split("|");
const say = () => {
  const words = steps[Number(slider.value)] ?? "";
  byId("ago-said").textContent = words;
  slider.setAttribute("aria-valuetext", words);
};
slider.oninput = () => {
  say();
  const ago = agoMs[Number(slider.value)] ?? 0;
  const time = new Date(Date.now() - ago).toISOString().slice(0, "2026-11-30T12:00:00".length);
  byId<HTMLInputElement>("as-of").value = ago === 0 ? "" : time;
};
say();
