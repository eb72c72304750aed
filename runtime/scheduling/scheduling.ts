/** When work runs: the clock, mutexes, limiters, shares and time slices. */
export { type Clock, systemClock, timestamp } from "./clock.ts";
export { inParallel } from "./in-parallel.ts";
export { createKeyLock, type KeyLock } from "./keyed-mutex.ts";
export { createLimiter, type Limiter } from "./limiter.ts";
export { createTurns } from "./mutex.ts";
export { createShares } from "./shares.ts";
export { createSlices, inOneGo, inSlices, type Slices } from "./time-slices.ts";
