/** When work runs: the clock, keyed mutexes, limiters, shares and time slices. */
export { type Clock, systemClock, timestamp, waitAtStart } from "./clock.ts";
export { createKeyedMutex, type KeyedMutex } from "./keyed-mutex.ts";
export { createLimiter, type Limiter } from "./limiter.ts";
export { createShares } from "./shares.ts";
export { createSlices, inOneGo, inSlices, type Slices } from "./time-slices.ts";
