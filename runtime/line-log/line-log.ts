/** An append-only log of JSON lines: a checksum a line, group commit, and damage that is named and set aside. */
export { closedLog, damage, inspectLineLog, openToInspect } from "./inspect.ts";
export { type LogReport, readLineLog, readRecord, type Span } from "./load.ts";
export { type LineLog, openLineLog } from "./log.ts";
export { damagedLog, type LogDamage, type LogState, logDamageOf, type MarkKeeping, placeOf } from "./mark.ts";
export { checkSealedLog } from "./sealed.ts";
