/** Files of a request on the disk of one ingest: those of archives among them, each with its hash. */
import { mkdir, open, stat } from "node:fs/promises";
import { join } from "node:path";
import type { RawContext } from "../../../runtime/contract/contract.ts";
import { fail, ServiceError, toWire } from "../../../runtime/errors/errors.ts";
import type { Extraction } from "../extraction/extraction.ts";
import type { IngestDeps, Task } from "../jobs/jobs.ts";
import { openFiles } from "../receiving/receiving.ts";
import type { FailedFile } from "../schemas/schemas.ts";
import { documentIdOf } from "./parameters.ts";

export interface Arrived {
  path: string;
  /** As its document is called, unless an id was given. */
  name: string;
  mediaType: string;
  bytes: number;
  sha256: string;
}

export interface Arrivals {
  files: Arrived[];
  failed: FailedFile[];
}

interface Place {
  task: Task;
  deps: IngestDeps;
  extraction: Extraction;
}

export const failureOf = (file: string, cause: unknown): FailedFile => {
  const { type, message } = toWire(cause);
  return { file, type, message };
};

/** A file is at fault itself, or the request as a whole is over. */
export const isOfFile = (cause: unknown, signal: AbortSignal): boolean => {
  const own = ["unprocessable", "unsupported_media_type", "too_large", "invalid_field"];
  const ofChild = ["timeout", "resource_exhausted", "engine_crashed"];
  return !signal.aborted && cause instanceof ServiceError && [...own, ...ofChild].includes(cause.type);
};

/** Takes the body. What a file does wrong is among `failed`; what the request does wrong is thrown. */
export async function takeFiles(
  { request }: RawContext,
  file: string | undefined,
  place: Place,
): Promise<Arrivals> {
  const { task, deps } = place;
  const { job, deadline, fileContext } = task;
  const {
    max_ingest_bytes: bytesMax,
    idle_timeout_ms: idleTimeoutMs,
    max_documents: filesMax,
  } = deps.config.ingestd;
  const rules = {
    bytesMax,
    idleTimeoutMs,
    signal: job.signal,
    clock: deps.clock,
    onBytes: job.received,
    deadline,
  };
  const sent: Arrivals = { files: [], failed: [] };
  for await (const { chunks, filename = "", contentType } of openFiles(request, { ...rules, name: file })) {
    const count = sent.files.length + sent.failed.length;
    if (count >= filesMax)
      throw fail(
        "too_large",
        `more than ${filesMax} files, which ingestd.max_documents sets; send several requests`,
      );
    const path = join(fileContext.directory, `file-${count}`);
    try {
      sent.files.push(await keep(chunks, { path, filename, contentType }, deps));
    } catch (cause) {
      if (!isOfFile(cause, job.signal)) throw cause;
      sent.failed.push(failureOf(filename, cause));
      // The next part comes when this one has been read.
      for await (const _ of chunks);
    }
  }
  return opened(sent, place);
}

async function keep(
  chunks: AsyncIterable<Uint8Array>,
  { path, filename, contentType }: { path: string; filename: string; contentType: string },
  { config }: IngestDeps,
): Promise<Arrived> {
  const bytesMax = config.ingestd.max_document_bytes;
  const hash = new Bun.CryptoHasher("sha256");
  const handle = await open(path, "wx");
  let bytes = 0;
  let failure: unknown;
  try {
    // Read to its end in any case: what follows it in the form is another file.
    for await (const chunk of chunks) {
      bytes += chunk.length;
      if (bytes > bytesMax)
        failure ??= fail("too_large", `larger than ${bytesMax} bytes, which ingestd.max_document_bytes sets`);
      if (failure) continue;
      hash.update(chunk);
      await handle.writeFile(chunk);
    }
  } finally {
    await handle.close();
  }
  if (failure) throw failure;
  return { path, name: documentIdOf(filename), mediaType: contentType, bytes, sha256: hash.digest("hex") };
}

/** Archives give way to the files in them. */
async function opened({ files, failed }: Arrivals, place: Place): Promise<Arrivals> {
  const all: Arrivals = { files: [], failed: [...failed] };
  const { task, deps, extraction } = place;
  const { job, fileContext } = task;
  const { max_ingest_bytes: bytesMax, max_documents: filesMax } = deps.config.ingestd;
  for (const [at, file] of files.entries()) {
    const folder = join(fileContext.directory, `archive-${at}`);
    try {
      if (!(await isArchive(file))) {
        all.files.push(file);
        continue;
      }
      await mkdir(folder);
      const into = { folder, filesMax: filesMax - all.files.length, bytesMax };
      const unpacked = await extraction.unpack(file, into, job.signal);
      if (unpacked === null) all.files.push(file);
      for (const { name, path, error } of unpacked?.files ?? []) {
        const shown = `${file.name}: ${name}`.toWellFormed();
        if (path === undefined)
          all.failed.push({ file: shown, ...(error ?? { type: "unprocessable", message: "" }) });
        else
          await named(path, name).then(
            (arrived) => all.files.push(arrived),
            (cause) => all.failed.push(failureOf(shown, cause)),
          );
      }
    } catch (cause) {
      if (!isOfFile(cause, job.signal)) throw cause;
      all.failed.push(failureOf(file.name, cause));
    }
  }
  return all;
}

async function named(path: string, name: string): Promise<Arrived> {
  const hash = new Bun.CryptoHasher("sha256");
  for await (const chunk of Bun.file(path).stream()) hash.update(chunk);
  const { size } = await stat(path);
  return { path, name: documentIdOf(name), mediaType: "", bytes: size, sha256: hash.digest("hex") };
}

/** Zip, gzip and tar by their first bytes; a zip may still be a document. */
async function isArchive({ path }: Arrived): Promise<boolean> {
  const head = Buffer.from(await Bun.file(path).slice(0, 512).arrayBuffer()).toString("latin1");
  return (
    head.startsWith("PK\x03\x04") ||
    head.startsWith("PK\x05\x06") ||
    head.startsWith("\x1f\x8b") ||
    head.slice(257, 262) === "ustar"
  );
}
