import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { checkLayers } from "../../scripts/check_layers.ts";

/** The findings for a small tree of files. */
function problemsOf(files: Record<string, string>): string[] {
  const root = mkdtempSync(join(tmpdir(), "layers-"));
  try {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    return checkLayers(root);
  } finally {
    rmSync(root, { recursive: true });
  }
}

test("checkLayers() accepts imports the table allows", () => {
  assert.deepEqual(
    problemsOf({
      "src/wire/address.ts": "export const a = 1;\n",
      "src/ports.ts": 'import type { a } from "./wire/address.ts";\nexport type P = typeof a;\n',
      "src/control/lease.ts":
        'import { a } from "../wire/address.ts";\nimport { pack } from "msgpackr";\nexport const l = pack(a);\n',
      "src/api/schema.ts": 'import type { l } from "../control/lease.ts";\nexport type L = typeof l;\n',
      "src/daemon/daemon.ts": 'import {\n  l,\n} from "../control/lease.ts";\nexport const d = l;\n',
      "src/cli/cli.ts": 'import { d } from "../daemon/daemon.ts";\nexport const c = [d, Date.now()];\n',
    }),
    [],
  );
});

test("checkLayers() refuses a forbidden import, also one of types only or over several lines", () => {
  const problems = problemsOf({
    "src/wire/a.ts": 'import type {\n  S,\n} from "../sys/s.ts";\nexport type A = S;\n',
    "src/sys/s.ts": "export type S = number;\n",
    "src/dataplane/d.ts": 'export { c } from "../control/c.ts";\n',
    "src/control/c.ts": "export const c = 1;\n",
    "src/api/schema.ts": 'import { c } from "../control/c.ts";\nexport const x = c;\n',
    "src/host/h.ts": 'export const load = () => import("../sys/s.ts");\n',
  });
  assert.deepEqual(problems, [
    'src/api/schema.ts:1: api may not import control ("../control/c.ts")',
    'src/dataplane/d.ts:1: dataplane may not import control ("../control/c.ts")',
    'src/host/h.ts:1: host may not import sys ("../sys/s.ts")',
    'src/wire/a.ts:3: wire may not import sys ("../sys/s.ts")',
  ]);
});

test("checkLayers() tells a value among types from types", () => {
  const files = {
    "src/control/c.ts": "export const c = 1;\nexport type C = number;\nexport type D = number;\n",
  };
  const schema = (clause: string) =>
    problemsOf({ ...files, "src/api/s.ts": `import ${clause} from "../control/c.ts";\n` }).length;
  assert.equal(schema("{ type C, type D }"), 0);
  assert.equal(schema("{ type C, c }"), 1);
  assert.equal(schema("type { C }"), 0);
  assert.equal(schema("* as c"), 1);
});

test("checkLayers() names a circle once, with the way around", () => {
  const problems = problemsOf({
    "src/wire/a.ts": 'import "./b.ts";\n',
    "src/wire/b.ts": 'import "./c.ts";\n',
    "src/wire/c.ts": 'import type { A } from "./a.ts";\nexport type C = A;\n',
    "src/wire/d.ts": 'import "./a.ts";\n',
  });
  assert.deepEqual(problems, [
    "src/wire/a.ts: circle of imports: src/wire/a.ts → src/wire/b.ts → src/wire/c.ts → src/wire/a.ts",
  ]);
});

test("checkLayers() follows the import names of package.json to every runtime's file", () => {
  const files = {
    "package.json": '{"imports":{"#ffi":{"deno":"./src/sys/ffi.deno.ts","bun":"./src/sys/ffi.bun.ts"}}}',
    "src/sys/ffi.deno.ts": "export const x = 1;\n",
    "src/sys/libc.ts": 'import { x } from "#ffi";\nexport const y = x;\n',
  };
  const bun = { "src/sys/ffi.bun.ts": 'import { dlopen } from "bun:ffi";\nexport const x = dlopen;\n' };
  assert.deepEqual(problemsOf({ ...files, ...bun }), []);
  assert.deepEqual(problemsOf(files), ['src/sys/libc.ts:1: "#ffi" does not exist']);
  assert.deepEqual(problemsOf({ ...files, ...bun, "src/wire/w.ts": 'import "#ffi";\n' }), [
    'src/wire/w.ts:1: wire may not import sys ("#ffi")',
    'src/wire/w.ts:1: wire may not import sys ("#ffi")',
  ]);
});

test("checkLayers() keeps packages, node: modules and clocks where they belong", () => {
  const problems = problemsOf({
    "src/wire/w.ts": 'import { readFileSync } from "node:fs";\nexport const w = readFileSync;\n',
    "src/control/c.ts": 'import { LRUCache } from "lru-cache";\nexport const c = [LRUCache, Date.now()];\n',
    "src/dataplane/d.ts": "export const d = () => Math.random() + performance.now();\n",
    "src/cli/c.ts": 'import { x } from "left-pad/x";\nexport const c = [x, Date.now()];\n',
    "src/daemon/d.ts": "export const d = () => setTimeout(() => {}, 1);\n",
    "src/api/a.ts": "export const a = () => setTimeout(() => {}, 1);\n",
    "src/cli/up.ts": 'import { Command } from "commander";\nexport const c = Command;\n',
  });
  assert.deepEqual(problems, [
    'src/cli/c.ts:1: cli may not use "left-pad/x"',
    'src/control/c.ts:1: control may not use "lru-cache"',
    "src/control/c.ts:2: Date.now in control (time and randomness are arguments there)",
    "src/daemon/d.ts:1: setTimeout in daemon (time and randomness are arguments there)",
    "src/dataplane/d.ts:1: Math.random in dataplane (time and randomness are arguments there)",
    "src/dataplane/d.ts:1: performance.now in dataplane (time and randomness are arguments there)",
    'src/wire/w.ts:1: wire may not use "node:fs"',
  ]);
});

test("checkLayers() reads no import out of a comment and knows a missing file and a stray folder", () => {
  const problems = problemsOf({
    "src/wire/w.ts":
      '// import "../sys/s.ts";\n/*\nimport "../sys/s.ts";\nDate.now()\n*/\nexport const url = "http://x";\n',
    "src/wire/v.ts": 'import "./gone.ts";\nimport "../../test/fakes/f.ts";\n',
    "test/fakes/f.ts": "",
    "src/util/u.ts": "",
  });
  assert.deepEqual(problems, [
    'src/util/u.ts: "util" is no layer of the architecture',
    'src/wire/v.ts:1: "./gone.ts" does not exist',
    'src/wire/v.ts:2: "../../test/fakes/f.ts" leaves src/',
  ]);
});
