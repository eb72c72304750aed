/** The client of the services of a running Lakehouse whose data a backup copies, through the gateway. */
import { errorCode, type SnapshotFile } from "../../runtime/durable/durable.ts";
import { askDurable, IncompleteAnswer, linesOf } from "../command-line/command-line.ts";
import { BackupError } from "./repository.ts";

/** A snapshot that a service holds for the backup. `files` can be read once. */
export interface ServiceSnapshot {
  service: string;
  id: string;
  files: () => AsyncIterable<SnapshotFile>;
  /** Throws `Unreadable` when the service says that the file is damaged. */
  open: (path: string) => Promise<ReadableStream<Uint8Array>>;
  /** Keeps the service from releasing it. */
  touch: () => Promise<void>;
  release: () => Promise<void>;
}

/** The file is damaged in the service: the backup goes on without it. */
export class Unreadable extends Error {}

export interface ServiceClient {
  gateway: string;
  snapshot: (service: string) => Promise<ServiceSnapshot>;
  /** Does the work while all these services hold back their answers; false when one stopped doing so before its end. */
  whileHeld: (services: readonly string[], work: () => Promise<void>) => Promise<boolean>;
  /** Releases a snapshot. One that is gone already is no error. */
  release: (service: string, id: string) => Promise<void>;
}

export function createServiceClient(gateway: string, token: string): ServiceClient {
  const send = async (method: string, service: string, path: string): Promise<Response> => {
    try {
      return await askDurable({ url: gateway, token }, service, path, method);
    } catch (cause) {
      throw new BackupError(
        `no Lakehouse answers at ${gateway} (${errorCode(cause) ?? (cause as Error).message}). A backup is taken from a running one: start it ` +
          "with bun run supervisor, or name its gateway with --gateway URL",
        { cause },
      );
    }
  };
  const expect = async (method: string, service: string, path: string): Promise<Response> => {
    const response = await send(method, service, path);
    if (response.ok) return response;
    throw await refusal(service, response);
  };
  const release: ServiceClient["release"] = async (service, id) =>
    void (await (await send("DELETE", service, `/points/${id}`)).text());
  return {
    gateway,
    release,
    whileHeld: async (services, work) => {
      const path = `/holds/${crypto.randomUUID()}`;
      const free = () => Promise.all(services.map((service) => send("DELETE", service, path)));
      try {
        await Promise.all(services.map((service) => expect("POST", service, path)));
        await work();
      } catch (cause) {
        await free().catch(() => undefined);
        throw cause;
      }
      return (await free()).every(({ ok }) => ok);
    },
    snapshot: async (service) => {
      const lines = linesOf(await expect("POST", service, "/points"));
      const first = await lines.next();
      const id = (first.value as { point?: { id?: string } } | undefined)?.point?.id;
      if (first.done || id === undefined) throw new BackupError(`${service} answered without a snapshot`);
      const place = (path: string) => `/points/${id}/${path.split("/").map(encodeURIComponent).join("/")}`;
      return {
        service,
        id,
        files: () => filesOf(service, lines),
        open: async (path) => (await expect("GET", service, place(path))).body ?? new ReadableStream(),
        touch: async () => void (await (await send("POST", service, `/points/${id}`)).text()),
        release: async () => {
          await lines.return(undefined);
          await release(service, id);
        },
      };
    },
  };
}

async function refusal(service: string, response: Response): Promise<Error> {
  const text = await response.text();
  const [, type = ""] = /"type":"(\w+)"/.exec(text) ?? [];
  const [, message = text.slice(0, 300)] = /"message":("(?:[^"\\]|\\.)*")/.exec(text) ?? [];
  const reason = message.startsWith('"') ? String(JSON.parse(message)) : message;
  if (type === "corrupt") return new Unreadable(reason);
  if (response.status === 401)
    return new BackupError(`${reason}. The token comes from AUTH_TOKEN or the configuration (--config FILE)`);
  return new BackupError(`${service} answered ${response.status}: ${reason}. A backup needs every service`);
}

async function* filesOf(service: string, lines: AsyncIterable<object>): AsyncGenerator<SnapshotFile> {
  try {
    for await (const line of lines) if ("file" in line) yield line.file as SnapshotFile;
  } catch (cause) {
    if (!(cause instanceof IncompleteAnswer)) throw cause;
    throw new BackupError(`${service} broke off its list of files: ${cause.message}`, { cause });
  }
}
