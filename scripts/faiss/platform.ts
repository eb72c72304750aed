/** What building against the system's FAISS takes on each platform: packages, and the compiler's command. */
import { run, runStep, type Say } from "../subprocess/subprocess.ts";

const debianPackages = ["libfaiss-dev", "libopenblas-dev", "g++"];
/** For all of apt-get's work: about 60 MB of packages, with the package lists where they are missing. */
const aptTimeoutMs = 300_000;
const listTimeoutMs = 20_000;
/** How long a question at the terminal waits for its answer. */
const answerTimeoutMs = 60_000;

/** What a user does to get FAISS and a compiler. */
export const installFix = (platform: NodeJS.Platform = process.platform): string =>
  platform === "darwin"
    ? "install FAISS, OpenMP and a C++ compiler (brew install faiss libomp; xcode-select --install)"
    : `install FAISS and a C++ compiler (Debian, Ubuntu: apt-get install ${debianPackages.join(" ")}; elsewhere the packages of FAISS with its headers, OpenBLAS, g++)`;

interface Sources {
  shim: string;
  /** Folders of headers. */
  headers: readonly string[];
  source: string;
  binding: string;
}

/** Where Homebrew keeps what it installed: its own variable, else its default on Apple's processors and on Intel's. */
const brewPrefix = (arch: string): string =>
  process.env.HOMEBREW_PREFIX ?? (arch === "arm64" ? "/opt/homebrew" : "/usr/local");

/**
 * The compiler's command. That of darwin was written from the documentation of clang, libomp and Homebrew and could
 * not be tried where this was written.
 */
export function compilation(
  { shim, headers, source, binding }: Sources,
  platform: NodeJS.Platform = process.platform,
  arch: string = process.arch,
): [string, ...string[]] {
  const shared = ["-std=c++17", "-O2", "-DNAPI_VERSION=6", "-include", shim];
  const include = headers.map((folder) => `-I${folder}`);
  if (platform === "darwin") {
    const brew = brewPrefix(arch);
    const places = ["faiss", "libomp"].flatMap((name) => [
      `-I${brew}/opt/${name}/include`,
      `-L${brew}/opt/${name}/lib`,
    ]);
    // Node's API is resolved by the process that loads the binding.
    const bundle = ["-bundle", "-undefined", "dynamic_lookup", "-Xpreprocessor", "-fopenmp"];
    return [
      "clang++",
      ...shared,
      ...bundle,
      ...include,
      ...places,
      source,
      "-o",
      binding,
      "-lfaiss",
      "-lomp",
    ];
  }
  const libraries = ["-lfaiss", "-lopenblas", "-lgomp"];
  return ["g++", ...shared, "-fPIC", "-shared", "-fopenmp", ...include, source, "-o", binding, ...libraries];
}

export interface Machine {
  platform: NodeJS.Platform;
  isRoot: boolean;
  has: (tool: string) => boolean;
  /** What LAKEHOUSE_INSTALL says. */
  install: string | undefined;
  /** Whether somebody sits there who can be asked. */
  hasTerminal: boolean;
}

const thisMachine = (): Machine => ({
  platform: process.platform,
  isRoot: process.getuid?.() === 0,
  has: (tool) => Bun.which(tool) !== null,
  install: process.env.LAKEHOUSE_INSTALL,
  hasTerminal: process.stdin.isTTY === true && process.stderr.isTTY === true,
});

type Permission =
  | { kind: "given" }
  /** By a terminal's yes alone. */
  | { kind: "ask" }
  | { kind: "none"; why: string };

/** Whether this set-up may install packages into the system. */
export function permission({ platform, isRoot, has, install, hasTerminal }: Machine): Permission {
  if (install === "off") return { kind: "none", why: "LAKEHOUSE_INSTALL=off" };
  if (platform !== "linux" || !has("apt-get"))
    return { kind: "none", why: "only apt-get is known to this set-up" };
  if (isRoot) return { kind: "given" };
  if (!has("sudo")) return { kind: "none", why: "it takes root" };
  if (!hasTerminal) return { kind: "none", why: "it takes root, and there is no terminal to ask at" };
  return { kind: "ask" };
}

/** Asks at the terminal; anything but a yes within the bound is a no. */
async function isYes(question: string): Promise<boolean> {
  process.stderr.write(question);
  // A shell reads the terminal, so that one line and no more is taken from it.
  const child = Bun.spawn(["sh", "-c", 'IFS= read -r answer; printf %s "$answer"'], {
    stdio: ["inherit", "pipe", "inherit"],
  });
  const timer = setTimeout(() => child.kill(), answerTimeoutMs);
  const answer = await new Response(child.stdout).text();
  clearTimeout(timer);
  return /^y(es)?$/i.test(answer.trim());
}

/**
 * Installs what the build needs where that may be done, and says before what and why. As root it needs no yes, but
 * `LAKEHOUSE_INSTALL=off` is a no; through sudo it is done after a yes at a terminal alone.
 */
export async function installSystemPackages(say: Say, machine: Machine = thisMachine()): Promise<boolean> {
  const allowed = permission(machine);
  if (allowed.kind === "none") {
    say(`no system packages are installed (${allowed.why}).`);
    return false;
  }
  say(
    `FAISS indexes need ${debianPackages.join(", ")} of the system: the library, and a compiler to bind it.`,
  );
  if (allowed.kind === "ask" && !(await isYes("Install them by sudo apt-get? [y/N] "))) {
    say("no system packages are installed (no yes at the terminal).");
    return false;
  }
  say(
    "  They are installed by apt-get now; LAKEHOUSE_INSTALL=off keeps set-up from installing into the system.",
  );
  return aptInstall(say, allowed.kind === "ask" ? ["sudo"] : []);
}

async function aptInstall(say: Say, prefix: string[]): Promise<boolean> {
  const until = performance.now() + aptTimeoutMs;
  const apt = [...prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y"];
  const step = (name: string, words: string[], otherwise: string): Promise<boolean> => {
    const command = [...apt, ...words] as [string, ...string[]];
    return runStep({ name, command, timeoutMs: until - performance.now(), otherwise: [otherwise] }, say);
  };
  const fix = `fix: ${installFix()}`;
  const install = (otherwise: string): Promise<boolean> =>
    step(
      `installing ${debianPackages.join(", ")}`,
      ["install", "--no-install-recommends", ...debianPackages],
      otherwise,
    );
  // A new machine has no package lists yet, and those of an old one may name packages that are gone.
  const known = await run(["apt-cache", "policy", ...debianPackages], { timeoutMs: listTimeoutMs });
  const isListed = (known.out.match(/Candidate: (?!\(none\))/g) ?? []).length === debianPackages.length;
  if (isListed && (await install("next: the package lists are updated"))) return true;
  return (await step("updating the package lists", ["update"], fix)) && install(fix);
}
