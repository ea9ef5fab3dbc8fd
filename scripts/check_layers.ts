/**
 * Checks the architecture of layers.ts: fails on an import that a layer or a room may not make (type-only imports count),
 * on a package, clock or timer a layer may not use, and on any circle of imports, between files or folders; circles also
 * in test/, bench/ and scripts/.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import process from "node:process";
import {
  CLOCK_LAYERS,
  CLOCKS,
  LAYERS,
  OTHER_FOLDERS,
  PACKAGES,
  ROOMS,
  TIMER_LAYERS,
  TIMERS,
} from "./layers.ts";

interface Import {
  readonly specifier: string;
  readonly typesOnly: boolean;
  readonly line: number;
}

/** Comments gone, line breaks and string literals kept. */
function withoutComments(source: string): string {
  const token = /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`|\/\/[^\n]*|\/\*[^]*?\*\//g;
  return source.replace(token, (text) => text.startsWith("/") ? text.replace(/[^\n]/g, " ") : text);
}

function importsOf(code: string): Import[] {
  const statement =
    /^[ \t]*(?:import|export)\b(?<clause>[^;"'`()=]*?)\bfrom\s*["'](?<from>[^"'\n]+)["']|^[ \t]*import\s*["'](?<bare>[^"'\n]+)["']|\bimport\(\s*["'](?<dynamic>[^"'\n]+)["']/gm;
  const found: Import[] = [];
  for (const match of code.matchAll(statement)) {
    const { clause, from, bare, dynamic } = match.groups as Record<string, string | undefined>;
    const before = code.slice(0, match.index + match[0].length);
    found.push({
      specifier: from ?? bare ?? dynamic!,
      typesOnly: clause !== undefined && clauseIsTypes(clause),
      line: before.split("\n").length,
    });
  }
  return found;
}

/** `type { A }`, or braces in which every name is marked as a type. */
function clauseIsTypes(clause: string): boolean {
  if (/^\s*type\b(?!\s*,)/.test(clause)) return true;
  const names = /^\s*\{([^}]*)\}\s*$/.exec(clause)?.[1]?.split(",").map((name) => name.trim()).filter(
    Boolean,
  );
  return names !== undefined && names.length > 0 && names.every((name) => name.startsWith("type "));
}

function layerOf(path: string): string {
  const first = path.split(sep)[1] ?? "";
  return first.replace(/\.ts$/, "");
}

function mayImport(layer: string, target: string, typesOnly: boolean): boolean {
  if (layer === target) return true;
  const allowed = LAYERS[layer] ?? [];
  return allowed.includes(target) || (typesOnly && allowed.includes(`${target}:types`));
}

/** The room of a file, "" beside the rooms; null: its layer has none. */
function roomOf(path: string): string | null {
  const parts = path.split(sep);
  if (ROOMS[parts[1] ?? ""] === undefined) return null;
  return parts.length > 3 ? parts[2]! : "";
}

function mayEnter(file: string, target: string): boolean {
  const room = roomOf(file);
  const other = roomOf(target);
  if (layerOf(file) !== layerOf(target) || room === null || room === "" || room === other) return true;
  return (ROOMS[layerOf(file)]![room] ?? []).includes(other!);
}

function mayUse(layer: string, specifier: string): boolean {
  for (const [name, layers] of Object.entries(PACKAGES)) {
    const matches = name.endsWith(":")
      ? specifier.startsWith(name)
      : specifier === name || specifier.startsWith(`${name}/`);
    if (matches) return layers.includes(layer);
  }
  return false;
}

/** Every file an import stands for: one, or one a runtime for a "#name" of package.json. */
function targetsOf(
  root: string,
  file: string,
  specifier: string,
  aliases: Record<string, string[]>,
): string[] | null {
  if (specifier.startsWith(".")) return [relative(root, resolve(root, dirname(file), specifier))];
  return aliases[specifier]?.map((target) => relative(root, resolve(root, target))) ?? null;
}

function aliasesOf(root: string): Record<string, string[]> {
  const manifest = join(root, "package.json");
  if (!existsSync(manifest)) return {};
  const imports = JSON.parse(readFileSync(manifest, "utf8")).imports ?? {};
  const aliases: Record<string, string[]> = {};
  for (const [name, target] of Object.entries(imports)) {
    aliases[name] = typeof target === "string" ? [target] : Object.values(target as Record<string, string>);
  }
  return aliases;
}

function filesOf(root: string, folder: string): string[] {
  if (!existsSync(join(root, folder))) return [];
  const all = readdirSync(join(root, folder), { recursive: true, encoding: "utf8" });
  return all.filter((path) => path.endsWith(".ts")).map((path) => join(folder, path)).sort();
}

/** The shortest way from `start` back to itself, or null. */
function circleThrough(start: string, edges: ReadonlyMap<string, readonly string[]>): string[] | null {
  const cameFrom = new Map<string, string>();
  const queue = [start];
  for (let at = queue.shift(); at !== undefined; at = queue.shift()) {
    for (const next of edges.get(at) ?? []) {
      if (next === start) {
        const way = [start];
        for (let step = at; step !== start; step = cameFrom.get(step)!) way.unshift(step);
        return [start, ...way];
      }
      if (!cameFrom.has(next)) {
        cameFrom.set(next, at);
        queue.push(next);
      }
    }
  }
  return null;
}

function circles(edges: ReadonlyMap<string, readonly string[]>): string[] {
  const told = new Set<string>();
  const problems: string[] = [];
  for (const file of edges.keys()) {
    if (told.has(file)) continue;
    const circle = circleThrough(file, edges);
    if (circle === null) continue;
    for (const member of circle) told.add(member);
    problems.push(`${file}: circle of imports: ${circle.join(" → ")}`);
  }
  return problems;
}

/** The imports between folders: of src/ its layers and rooms, elsewhere the folders as they are. */
function betweenFolders(edges: ReadonlyMap<string, readonly string[]>): Map<string, string[]> {
  const folders = new Map<string, string[]>();
  for (const [file, targets] of edges) {
    const from = folderOf(file);
    const others = targets.map(folderOf).filter((to) => to !== from);
    folders.set(from, [...folders.get(from) ?? [], ...others]);
  }
  return folders;
}

// A file beside the layers is a layer of its own.
function folderOf(file: string): string {
  return dirname(file) === "src" ? file : dirname(file);
}

/** Circles of the files and folders that are not the product. */
function otherCircles(root: string): string[] {
  const edges = new Map<string, string[]>();
  for (const file of OTHER_FOLDERS.flatMap((folder) => filesOf(root, folder))) {
    const code = withoutComments(readFileSync(join(root, file), "utf8"));
    const targets = importsOf(code).filter(({ specifier }) => specifier.startsWith("."))
      .map(({ specifier }) => targetsOf(root, file, specifier, {})![0]!);
    edges.set(file, targets.filter((target) => !target.startsWith("src" + sep)));
  }
  return [...circles(edges), ...circles(betweenFolders(edges))];
}

/** Everything in `root`/src that the architecture forbids, one sentence each; empty when all is well. */
export function checkLayers(root: string): string[] {
  const problems: string[] = [];
  const edges = new Map<string, string[]>();
  const aliases = aliasesOf(root);
  for (const file of filesOf(root, "src")) {
    const layer = layerOf(file);
    const room = roomOf(file);
    const targets: string[] = [];
    edges.set(file, targets);
    if (room !== null && room !== "" && ROOMS[layer]![room] === undefined) {
      problems.push(`${file}: "${room}" is no room of ${layer}`);
    }
    if (LAYERS[layer] === undefined) problems.push(`${file}: "${layer}" is no layer of the architecture`);
    const code = withoutComments(readFileSync(join(root, file), "utf8"));
    for (const { specifier, typesOnly, line } of importsOf(code)) {
      const at = `${file}:${line}`;
      const resolved = targetsOf(root, file, specifier, aliases);
      if (resolved === null) {
        if (!mayUse(layer, specifier)) problems.push(`${at}: ${layer} may not use "${specifier}"`);
        continue;
      }
      for (const target of resolved) {
        if (!existsSync(join(root, target))) problems.push(`${at}: "${specifier}" does not exist`);
        else if (target === "package.json") continue; // data: name and version
        else if (!target.startsWith("src" + sep)) problems.push(`${at}: "${specifier}" leaves src/`);
        else {
          targets.push(target);
          if (!mayImport(layer, layerOf(target), typesOnly)) {
            problems.push(`${at}: ${layer} may not import ${layerOf(target)} ("${specifier}")`);
          } else if (!mayEnter(file, target)) {
            const other = roomOf(target) || "what puts the rooms together";
            problems.push(`${at}: ${layer}/${room} may not import ${other} ("${specifier}")`);
          }
        }
      }
    }
    const clocks = CLOCK_LAYERS.includes(layer) ? [] : [...code.matchAll(CLOCKS)];
    const timers = TIMER_LAYERS.includes(layer) ? [] : [...code.matchAll(TIMERS)];
    for (const match of [...clocks, ...timers]) {
      const line = code.slice(0, match.index).split("\n").length;
      problems.push(`${file}:${line}: ${match[0]} in ${layer} (time and randomness are arguments there)`);
    }
  }
  return [...problems, ...circles(edges), ...circles(betweenFolders(edges)), ...otherCircles(root)];
}

if (import.meta.main) {
  const problems = checkLayers(resolve(import.meta.dirname!, ".."));
  for (const problem of problems) console.error(problem);
  console.log(problems.length === 0 ? "All imports follow the architecture" : `${problems.length} problems`);
  process.exitCode = problems.length === 0 ? 0 : 1;
}
