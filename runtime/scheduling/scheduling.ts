/** When work runs: the clock, rounds, keyed mutexes, limiters, shares and time slices. */
export { type Clock, systemClock, timestamp, waitAtStart } from "./clock.ts";
export { createKeyedMutex, createLimiter, createShares, type KeyedMutex, type Limiter } from "./limiter.ts";
export { inRounds } from "./rounds.ts";
export { createSlices, inOneGo, inSlices, type Slices } from "./time-slices.ts";
