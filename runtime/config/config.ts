/** One typed configuration, read once: every setting, the file, the environment and the flags. */
export {
  type ConfigSources,
  deepFreeze,
  defaults,
  type LoadedConfig,
  loadConfig,
  parseBind,
  urlOf,
} from "./loading.ts";
export { overcommitted, planMemory } from "./memory-plan.ts";
export { keyVariable, loadSecrets, type S3Keys, type Secrets, secretsDigest } from "./secrets.ts";
export { isSetting, memoryBytes, type Setting } from "./setting.ts";
export { type Config, type ServiceSection, settings } from "./settings.ts";
