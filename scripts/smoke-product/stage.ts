/** What a smoke is: named checks against a running product, one line each. */
import { deepStrictEqual } from "node:assert";
import { rmSync } from "node:fs";
import {
  type Answer,
  type Lake,
  lakeAt,
  type Mode,
  newDirectory,
  type Product,
  type StartOptions,
  startProduct,
} from "./product.ts";

export interface Stage {
  /** Does the work and prints how it went; a failure does not stop the checks after it. */
  check: (what: string, work: () => Promise<void> | void) => Promise<void>;
  /** The product to look at: a new one with these options, or the one that was named on the command line. */
  lake: (options?: StartOptions) => Promise<Lake>;
  /** A product of the smoke's own, to be killed and started again; what was started is ended after the smoke. */
  start: (options?: StartOptions) => Promise<Product>;
  /** A directory that outlives one product and is removed after the smoke. */
  directory: () => string;
}

export interface Smoke {
  about: string;
  /** Starts, kills or configures the product: cannot look at one that runs elsewhere. */
  ownProduct?: true;
  run: (stage: Stage) => Promise<void>;
}

interface Outcome {
  passed: number;
  failed: number;
}

interface SmokeOptions {
  gateway?: string | undefined;
  token?: string | undefined;
  /** How the products that are started here run. */
  mode: Mode;
  /** More flags for every product over this data directory, such as where its objects are. */
  flagsOf?: (directory: string) => Promise<readonly string[]>;
  print: (line: string) => void;
}

/** Runs one smoke and ends what it started. */
export async function runSmoke(
  name: string,
  smoke: Smoke,
  { gateway, token, mode, flagsOf = async () => [], print }: SmokeOptions,
): Promise<Outcome> {
  const outcome: Outcome = { passed: 0, failed: 0 };
  if (gateway !== undefined && smoke.ownProduct) {
    print(`  -     ${name}: needs a product of its own, not run against ${gateway}`);
    return outcome;
  }
  const started: Product[] = [];
  const directories: string[] = [];
  const directory = (): string => {
    const path = newDirectory();
    directories.push(path);
    return path;
  };
  const start = async (options: StartOptions = {}): Promise<Product> => {
    const data = options.directory ?? directory();
    const flags = [...(await flagsOf(data)), ...(options.flags ?? [])];
    const product = await startProduct({ ...options, directory: data, flags }, mode);
    started.push(product);
    return product;
  };
  const check: Stage["check"] = async (what, work) => {
    try {
      await work();
      outcome.passed++;
      print(`  ok    ${name}: ${what}`);
    } catch (cause) {
      outcome.failed++;
      const why = cause instanceof Error ? cause.message : String(cause);
      const logged = started.flatMap((product) => product.errors()).slice(-3);
      print(`  FAIL  ${name}: ${what}`);
      for (const line of [...why.split("\n"), ...logged]) print(`        ${line}`);
    }
  };
  const lake = async (options?: StartOptions): Promise<Lake> =>
    gateway === undefined ? start(options) : lakeAt(gateway, token);
  try {
    await smoke.run({ check, start, lake, directory });
  } catch (cause) {
    await check("runs to its end", () => {
      throw cause;
    });
  }
  for (const product of started.filter(({ runs }) => runs())) {
    await check("the product stops cleanly", () => product.end("SIGTERM"));
  }
  for (const path of directories) rmSync(path, { recursive: true, force: true });
  return outcome;
}

/** Fails with what came when the answer has another status. */
export function expectStatus(answer: Answer, status: number): void {
  if (answer.status !== status) {
    throw new Error(`expected ${status}, got ${answer.status}: ${JSON.stringify(answer.body).slice(0, 500)}`);
  }
}

/** Fails unless the object was stored: 201 where there was none, 200 over one. */
export function expectStored(answer: Answer): void {
  if (answer.status !== 201) expectStatus(answer, 200);
}

interface ErrorBody {
  error?: { message?: string; type?: string; code?: number; request_id?: string };
}

/** Fails unless the answer is the error of this status and type, in the one shape of errors; returns its message. */
export function expectError(answer: Answer, status: number, type: string): string {
  expectStatus(answer, status);
  const { error } = answer.body as ErrorBody;
  deepStrictEqual({ type: error?.type, code: error?.code }, { type, code: status });
  if (typeof error?.message !== "string" || typeof error.request_id !== "string") {
    throw new Error(`an error has message and request_id: ${JSON.stringify(answer.body)}`);
  }
  return error.message;
}

/** Fails with a difference unless both are deeply equal. */
export const expectEqual = (actual: unknown, expected: unknown): void => deepStrictEqual(actual, expected);

export const expectTrue = (condition: boolean, otherwise: string): void => {
  if (!condition) throw new Error(otherwise);
};
