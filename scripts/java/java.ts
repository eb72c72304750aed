/** Programs of Java: a Java that is new enough, and jars from Maven Central. */
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { home, say } from "../python/python.ts";
import { run, runStep } from "../subprocess/subprocess.ts";

/** JAVA_HOME's, one of the system's, or the one on the path; of more than one the first that is new enough. */
export async function findJava(least: number, what: string): Promise<string> {
  const system = "/usr/lib/jvm";
  const homes = [
    process.env.JAVA_HOME,
    ...(existsSync(system) ? readdirSync(system).map((each) => join(system, each)) : []),
  ];
  const paths = homes.flatMap((each) => (each ? [join(each, "bin/java")] : []));
  for (const path of [...paths, "java"]) {
    const { code, out, err } = await run([path, "-version"], { timeoutMs: 30_000 });
    const [, major = "0"] = /version "(\d+)/.exec(out + err) ?? [];
    if (code === 0 && Number(major) >= least) return path;
  }
  throw new Error(`${what} needs Java ${least} or later: set JAVA_HOME`);
}

/** The class path of what a pom names, fetched by Maven first where it is missing. Throws, with words, where Maven is. */
export async function fetchJars(name: string, pom: string): Promise<string> {
  const mark = Bun.SHA256.hash(await Bun.file(pom).text(), "hex").slice(0, 8);
  const directory = join(home(), `${name}-${mark}`);
  const list = join(directory, "classpath");
  if (existsSync(list)) return (await Bun.file(list).text()).trim();
  mkdirSync(directory, { recursive: true });
  say(`${name}: jars from Maven Central into ${directory}`);
  const step = {
    name: `installing ${name}`,
    command: [
      ...["mvn", "-q", "-B", "-f", pom, `-Dmaven.repo.local=${join(home(), "m2")}`],
      ...["dependency:build-classpath", `-Dmdep.outputFile=${list}.part`],
    ] as [string, ...string[]],
    timeoutMs: 30 * 60_000,
    otherwise: ["fix: install Maven, and let Maven Central be reached; then run it again"],
  };
  if (!(await runStep(step, say))) throw new Error(`${name} could not be installed (see above)`);
  const found = (await Bun.file(`${list}.part`).text()).trim();
  await Bun.write(list, found);
  return found;
}
