/** What all that searches texts agrees on: the parts of a score and their weights, spellings, words that say nothing. */
export { functionWords } from "./function-words.ts";
export { type Parts, scoreOf, type Weights, weightedMean, weightsOf } from "./parts.ts";
export { charactersRead, spelledAlike } from "./spelling.ts";
