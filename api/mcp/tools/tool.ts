/** What a tool is. */
import type { Static, TObject } from "@sinclair/typebox";

export interface ToolContext {
  /** Aborted when the client cancelled the call or went away. */
  signal: AbortSignal;
  /** Tells how far the call is, for the next progress notification. */
  at: (message: string) => void;
}

interface Answer<Output> {
  structured: Output;
  /** The same for reading, within the same bounds. */
  text: string;
}

interface Annotations {
  title: string;
  readOnlyHint: boolean;
  destructiveHint: boolean;
  idempotentHint: boolean;
  openWorldHint: boolean;
}

export interface Tool<Input extends TObject = TObject, Output extends TObject = TObject> {
  name: string;
  /** For an agent: what it is for, what it needs, what comes back. */
  description: string;
  input: Input;
  output: Output;
  annotations: Annotations;
  /** Said when a name is not there: the tool that lists the names there are. */
  lookUp: string;
  /** Gets checked input. Throws ServiceError or GatewayFailure for what the agent should know. */
  call: (input: Static<Input>, context: ToolContext) => Promise<Answer<Static<Output>>>;
}

/** Of tools that change nothing: a client may run them without asking. */
export const reading = (title: string): Annotations => ({
  title,
  readOnlyHint: true,
  destructiveHint: false,
  idempotentHint: true,
  openWorldHint: false,
});

/** Of tools that add something and take nothing away. */
export const adding = (title: string): Annotations => ({
  title,
  readOnlyHint: false,
  destructiveHint: false,
  idempotentHint: false,
  openWorldHint: false,
});
