/** One typed configuration, read once: every setting, the file, the environment and the flags. */
export { type ListedSetting, listSettings } from "./listing.ts";
export {
  type ConfigSources,
  defaults,
  type LoadedConfig,
  loadConfig,
  type Provenance,
  provenanceOf,
  variableOf,
} from "./loading.ts";
export { overcommitted, planMemory } from "./memory-plan.ts";
export { isSetting, type Setting } from "./setting.ts";
export { type Config, type ServiceSection, settings } from "./settings.ts";
