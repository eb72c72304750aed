/** Models and the servers that have them: `[models.*]`, `[providers.*]` and what a model's name means. */
export {
  createModelNames,
  localModel,
  type ModelFacts,
  type ModelNames,
  noModel,
  type Target,
} from "./names.ts";
export { isLocal, keyAdvice, type ModelProvider, readModelProviders } from "./providers.ts";
