/** Files that are generated from one definition: lakehouse.toml from the settings, the systemd units from the topology. */
export { unitFiles } from "./units.ts";
