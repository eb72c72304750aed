/** Numbers and times as people read them. */
import { frame } from "../texts/texts.ts";

const number = new Intl.NumberFormat("en");
export const count = (value: number): string => number.format(value);

/** A value may have megabytes: of more characters the first are shown. */
export const shortened = (text: string, max = 1000): string =>
  text.length > max ? `${text.slice(0, max)}…` : text;

/** `1.4 MB`, by powers of 1000 as disks are sold. */
export function bytes(value: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const at = value < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(value) / 3));
  const scaled = value / 1000 ** at;
  return `${at === 0 ? scaled : scaled.toPrecision(3)} ${units[at]}`;
}

export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

/** `2026-11-30 22:31:14` in UTC. */
export const moment = (iso: string): string => iso.replace("T", " ").replace(/(\.\d+)?Z$/, "");

export const since = (iso: string, now = Date.now()): string =>
  frame.ago(duration(Math.max(0, now - Date.parse(iso))));
