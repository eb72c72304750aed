/** Which files there are: the fixed ones of each service, names, lengths, and none that nobody uses. */
import { posix } from "node:path";
import { importsOf, isSource, type Rule, serviceNames, type Tree, under } from "./tidy-tree.ts";

const fixed = ["README.md", "contract.ts", "service.ts", "worker.ts"];
const vague = /(^|\/)(utils?|helpers?|types?|index|common|misc|shared|manager|handler|process)\.tsx?$/;
const linesMax = 300;

export const serviceFolders: Rule = (tree) =>
  serviceNames(tree).flatMap((service) => {
    const folder = `workers/${service}/`;
    const missing = fixed
      .filter((name) => !tree.has(folder + name))
      .map((name) => `${folder}${name}: missing`);
    const strange = under(tree, folder)
      .map((path) => path.slice(folder.length))
      .filter((path) => !fixed.includes(path) && !/^[a-z0-9-]+\/[a-z0-9-]+\.tsx?$/.test(path))
      .map(
        (path) =>
          `${folder}${path}: at the front of a service stand ${fixed.join(", ")} alone, the rest in rooms`,
      );
    return [...missing, ...strange];
  });

/** A room is a folder of a service, of the runtime or of the scripts; its door is the file of its own name. */
const roomOf = (path: string): string | undefined =>
  /^((?:workers|api)\/[^/]+\/[^/]+|(?:runtime|scripts)\/[^/]+)\/[^/]+\.tsx?$/.exec(path)?.[1];
const doorOf = (room: string, tree: Tree): string => {
  const door = `${room}/${posix.basename(room)}.ts`;
  return tree.has(`${door}x`) ? `${door}x` : door;
};
const productOf = (tree: Tree): string[] =>
  under(tree, "", ".ts").filter((path) => !path.startsWith("tests/"));
const filesMax = 14;

/** Each room has a door, is entered through it alone, and nothing else passes on what other files export. */
export const rooms: Rule = (tree) => {
  const product = productOf(tree);
  const all = new Set(product.flatMap((path) => roomOf(path) ?? []));
  const doorless = [...all]
    .filter((room) => !tree.has(doorOf(room, tree)))
    .map((room) => `${room}/: a room has a door, ${doorOf(room, tree)}`);
  const intrusions = product.flatMap((path) =>
    importsOf(path, tree.get(path) ?? "")
      .filter((target) => {
        const room = roomOf(target);
        return room !== undefined && room !== roomOf(path) && target !== doorOf(room, tree);
      })
      .map((target) => `${path} imports ${target}: a room is entered through its door`),
  );
  const nested = product
    .filter((path) => /^(?:(?:workers|api)\/[^/]+|runtime|scripts)\/[^/]+\/[^/]+\//.test(path))
    .map((path) => `${path}: a room holds files and no rooms`);
  const passages = product
    .filter((path) => path !== doorOf(roomOf(path) ?? "", tree) && reExport.test(tree.get(path) ?? ""))
    .map((path) => `${path}: only doors pass on what other files export`);
  return [...doorless, ...intrusions, ...nested, ...passages];
};
const reExport = /^export\s[^;="']*\sfrom\s+"/m;

/** No folder holds so many files that its reader must learn a list of names. */
export const folderSizes: Rule = (tree) =>
  [...Map.groupBy(under(tree, "", ".ts"), (path) => posix.dirname(path))]
    .filter(([, files]) => files.length > filesMax)
    .map(([folder, files]) => `${folder}/: ${files.length} files, at most ${filesMax}`);

/** Which rooms of one house ask which; files at its front are rooms of their own. */
function roomGraph(tree: Tree): Map<string, Set<string>> {
  const graph = new Map<string, Set<string>>();
  for (const path of productOf(tree)) {
    const from = roomOf(path) ?? path;
    const asked = graph.get(from) ?? new Set();
    for (const target of importsOf(path, tree.get(path) ?? "")) {
      const to = roomOf(target) ?? target;
      if (to !== from && tree.has(target)) asked.add(to);
    }
    graph.set(from, asked);
  }
  return graph;
}

/** Rooms ask each other one way only, for types too: what needs each other is one room. */
export const roomCycles: Rule = (tree) => {
  const graph = roomGraph(tree);
  const reached = (from: string): Set<string> => {
    const seen = new Set(graph.get(from));
    for (const room of seen) for (const next of graph.get(room) ?? []) seen.add(next);
    return seen;
  };
  return [...graph.keys()]
    .filter((room) => reached(room).has(room))
    .map(
      (room) =>
        `${room}: asks rooms that ask it: ${[...(graph.get(room) ?? [])].filter((next) => reached(next).has(room)).join(", ")}`,
    );
};

/** A picture's lines as pairs of what stands on both sides of an arrow: names with a comma between them stand together. */
const arrows = (line: string): [asking: string, asked: string][] => {
  const parts = line.split(/─+►/).map((part) => part.trim().split(/\s{2,}|◄─/));
  return parts.slice(1).map((asked, at) => [parts[at]?.at(-1) ?? "", asked[0] ?? ""]);
};

/** The README of a service names each of its rooms, and no picture has an arrow from a room to one that asks it. */
export const drawnRooms: Rule = (tree) => {
  const graph = roomGraph(tree);
  return serviceNames(tree).flatMap((service) => {
    const house = `workers/${service}`;
    const names = [...graph.keys()]
      .filter((room) => room.startsWith(`${house}/`) && !room.endsWith(".ts"))
      .map((room) => room.slice(house.length + 1));
    const readme = tree.get(`${house}/README.md`) ?? "";
    const unnamed = names
      .filter((name) => !new RegExp(`(^|[\\s\`,])${name}(/|[\\s\`,]|$)`, "m").test(readme))
      .map((name) => `${house}/README.md: does not name its room ${name}/`);
    const drawn = (tree.get("docs/architecture.md") ?? "")
      .split("\n")
      .filter((line) => line.trim().startsWith(`${service}/ `))
      .map((line) => line.trim().slice(service.length + 1));
    const among = (words: string) => words.split(/[\s,|/]+/).filter((word) => names.includes(word));
    const reversed = [...readme.split("\n"), ...drawn].flatMap((line) =>
      arrows(line).flatMap(([asking, asked]) =>
        among(asking).flatMap((from) =>
          among(asked)
            .filter((to) => graph.get(`${house}/${to}`)?.has(`${house}/${from}`))
            .map((to) => `${house}: a picture has '${from} ─► ${to}', and it is ${to} that asks ${from}`),
        ),
      ),
    );
    return [...unnamed, ...reversed];
  });
};

export const telling: Rule = (tree) =>
  [...tree.keys()]
    .filter((path) => vague.test(path))
    .map((path) => `${path}: the name says nothing of the idea in it`);

export const lineCount = (text: string): number => text.split("\n").length - (text.endsWith("\n") ? 1 : 0);

export const length: Rule = (tree) =>
  [...tree]
    .filter(([path, text]) => isSource(path) && !path.startsWith("tests/") && lineCount(text) > linesMax)
    .map(([path, text]) => `${path}: ${lineCount(text)} lines, at most ${linesMax}; split it by idea`);

const isEntry = (path: string): boolean =>
  path === "runtime/main.ts" ||
  /^(workers|api)\/.*\/(worker|main)\.tsx?$/.test(path) ||
  /\.(test|bench)\.tsx?$/.test(path) ||
  path.startsWith("tests/campaigns/") ||
  path === "tests/support/preload.ts";

/** A script is used when a command, a document or another script names it. */
const isNamedScript = (path: string, tree: Tree): boolean =>
  path.startsWith("scripts/") &&
  [...tree].some(([other, text]) => other !== path && !other.startsWith("tests/") && text.includes(path));

/** Files named in strings, as the workers that tests start: `"./echo-worker.ts"`, `"../bench/serve.ts"`. */
const named = (path: string, text: string): string[] =>
  [...text.matchAll(/["'`]([^"'`\s]*\.tsx?)["'`]/g)].flatMap(([, target = ""]) => [
    posix.join(posix.dirname(path), target),
    posix.normalize(target),
  ]);

function reach(tree: Tree, entries: readonly string[]): Set<string> {
  const seen = new Set(entries);
  for (const path of seen) {
    const text = tree.get(path) ?? "";
    for (const target of [...importsOf(path, text), ...named(path, text)])
      if (tree.has(target)) seen.add(target);
  }
  return seen;
}

/** Fixtures are named by a part of their path alone: `"broken"` for tests/fixtures/runtime/broken-worker.ts. */
function isNamedFixture(path: string, tree: Tree): boolean {
  if (!path.startsWith("tests/fixtures/")) return false;
  const stem = posix.basename(path, ".ts");
  const names = [stem, `"${stem.replace(/-worker$/, "")}"`];
  return under(tree, "tests/", ".ts").some(
    (other) => other !== path && names.some((name) => tree.get(other)?.includes(name)),
  );
}

/** Product files must be reached without the help of tests: code that only a test uses is dead. */
export const dead: Rule = (tree) => {
  const entries = under(tree, "", ".ts").filter(
    (path) => isEntry(path) || isNamedScript(path, tree) || isNamedFixture(path, tree),
  );
  const product = reach(
    tree,
    entries.filter((path) => !path.startsWith("tests/")),
  );
  const all = reach(tree, entries);
  return under(tree, "", ".ts")
    .filter((path) => !(path.startsWith("tests/") ? all : product).has(path))
    .map((path) => `${path}: nothing uses it`);
};
