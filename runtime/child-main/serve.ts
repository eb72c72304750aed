/** The inside of a child process: it serves one contract to its parent, and ends with it. */
import { type Contract, check, inputSchema, type VerbsOf } from "../contract/contract.ts";
import { fail, ServiceError } from "../errors/errors.ts";
import { type Invoke, openSocketPort, servePort } from "../rpc/rpc.ts";
import { socketDescriptor, unconfinedVariable } from "./descriptor.ts";

/** Calls of the pool itself; no contract has verbs of these names. */
export const beginVerb = "child.begin";
export const restVerb = "child.rest";

/** What a child does: the verbs of its contract, and its streams by their paths. */
export interface ChildService<C extends Contract> {
  verbs: VerbsOf<C>;
  raw?: Readonly<Record<string, (request: Request) => Promise<Response>>>;
}

/** Calls and exchanges that may be open at once; a child serves one lease at a time. */
export const inFlightMax = 64;

/**
 * The entry of every child. `create` gets what the parent gave and a folder of the child's own; its failure is the
 * failure of the start.
 */
export async function serveChild<C extends Contract>(
  contract: C,
  create: (init: never, scratch: string) => Promise<ChildService<C>>,
): Promise<void> {
  const running = new Set<Promise<unknown>>();
  let service: ChildService<C> | undefined;
  const begun = (): ChildService<C> => {
    if (service === undefined) throw fail("unavailable", "the child was not begun");
    return service;
  };
  const tracked = <T>(work: Promise<T>): Promise<T> => {
    const kept = work.catch(() => undefined).finally(() => running.delete(kept));
    running.add(kept);
    return work;
  };
  const rest = async () => {
    while (running.size > 0) await Promise.all(running);
  };
  const invoke: Invoke = (verb, input, context) =>
    answered(verb, input, context).catch((error) => {
      report(error);
      throw error;
    });
  const answered: Invoke = async (verb, input, context) => {
    if (verb === restVerb) return rest();
    if (verb === beginVerb) {
      const { init, scratch } = input as { init: never; scratch: string };
      service = await create(init, scratch);
      return { unconfined: (process.env[unconfinedVariable] ?? "").split(" ").filter((name) => name !== "") };
    }
    const endpoint = contract.endpoints[verb];
    const run = (begun().verbs as Record<string, (input: unknown, context: unknown) => Promise<unknown>>)[
      verb
    ];
    if (endpoint === undefined || run === undefined)
      throw fail("not_found", `${contract.name} has no call named '${verb}'`);
    return tracked(run(check(inputSchema(endpoint), input ?? {}, "the call"), context));
  };
  const fetch = (request: Request): Promise<Response> => {
    const path = new URL(request.url).pathname;
    const handle = begun().raw?.[path];
    if (handle === undefined) throw fail("not_found", `${contract.name} has no stream at ${path}`);
    return tracked(handle(request));
  };
  const port = await openSocketPort(socketDescriptor, die);
  servePort(port, { invoke, fetch, inFlightMax });
}

/** An unexpected error goes to the parent's log; its caller gets a bare `internal`. */
const report = (error: unknown): void => {
  if (!(error instanceof ServiceError)) process.stderr.write(`${Bun.inspect(error)}\n`);
};

/** The parent is gone, or wants this. Whatever native code does at the moment, nothing of it is worth waiting for. */
const die = (): void => void process.kill(process.pid, "SIGKILL");
