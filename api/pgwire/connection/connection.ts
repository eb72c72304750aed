/** A connection of a client: its bytes as messages, both ways within bounds, and how it begins. */
export { type Credentials, createCredentials } from "./scram.ts";
export { type Greeting, greet } from "./startup.ts";
export { createWire, Gone, type Wire } from "./wire.ts";
