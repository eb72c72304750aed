/** The data directory as one store: which it is, what belongs to it, who owns it, and what an operator accepts instead. */
export { type Adoption, createAdoption, isUsed } from "./adoption.ts";
export { lockDirectory } from "./lock.ts";
export {
  type Adopted,
  openStore,
  type Stamped,
  type Store,
  stampFile,
  storeFile,
  storeIdOf,
  visitStore,
  writeVisitor,
} from "./open.ts";
export { refuseUnfinishedRestore, restoreMark, restoringVariable } from "./restore-mark.ts";
