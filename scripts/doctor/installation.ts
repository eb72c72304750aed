/** What lies in the system: the units of systemd, as `bun run units` writes them. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { unitFiles } from "../generate/generate.ts";
import { type Check, missing, ok } from "./check.ts";

/** Units that are installed must be those of this version; not to have any is fine. */
export function units(folder = "/etc/systemd/system"): Check {
  const name = "systemd units";
  const ours = unitFiles();
  const there = existsSync(folder)
    ? readdirSync(folder).filter(
        (file) => /^lakehouse([-.][\w.-]+)?\.(service|target)$/.test(file) || ours.has(file),
      )
    : [];
  if (there.length === 0) return ok(name, false, "none are installed");
  const stale = there.filter((file) => readFileSync(join(folder, file), "utf8") !== ours.get(file));
  if (stale.length === 0) return ok(name, false, `${there.length} installed, as this version writes them`);
  const gone = stale.filter((file) => !ours.has(file));
  const found = `not those of this version: ${stale.join(", ")}`;
  const remove = gone.length === 0 ? "" : `rm ${gone.map((file) => join(folder, file)).join(" ")}; `;
  const fix = `${remove}bun run units && cp deploy/systemd/* ${folder}/ && systemctl daemon-reload`;
  return missing(name, false, found, fix);
}
