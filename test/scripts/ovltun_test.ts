import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";

/** What scripts/ovltun runs for a user who is not root, for each of these command lines: sudo or the binary itself. */
function runAsUser(lines: readonly string[], variables = "OVLTUN_SECRET=hush"): string[] {
  const root = mkdtempSync(join(tmpdir(), "script-"));
  try {
    const programs = {
      "bin/id": "echo 1000",
      "bin/sudo": 'echo "sudo $*"',
      "scripts/compile": ":",
      "scripts/setup": ":",
      "dist/ovltun": 'echo "ovltun $*"',
      "node_modules/.bin/deno": 'echo "deno $*"',
    };
    for (const folder of ["bin", "scripts", "dist", "node_modules/.bin"]) {
      mkdirSync(join(root, folder), { recursive: true });
    }
    copyFileSync("scripts/ovltun", join(root, "scripts/ovltun"));
    for (const [path, text] of Object.entries(programs)) {
      writeFileSync(join(root, path), `#!/bin/sh\n${text}\n`);
      chmodSync(join(root, path), 0o755);
    }
    // Nothing else of the runner's environment, whatever a runtime makes of the option "env".
    const bare = [
      "-i",
      `PATH=${join(root, "bin")}:${process.env["PATH"]}`,
      variables,
      "/bin/bash",
    ];
    return lines.map((line) => {
      const script = [join(root, "scripts/ovltun"), ...line.split(" ")];
      const ended = spawnSync("/usr/bin/env", [...bare, ...script], { encoding: "utf8" });
      return `${ended.stdout}${ended.stderr}`.trim().replaceAll(`${root}/dist/`, "").replaceAll(
        `${root}/`,
        "",
      );
    });
  } finally {
    rmSync(root, { recursive: true });
  }
}

test("scripts/ovltun asks for root where a command needs it, and passes names of variables, not values", () => {
  const sudo = "sudo --preserve-env=OVLTUN_SECRET -- ovltun";
  const needRoot = ["up", "status --json", "token --expires 24h", "secret rotate --now", "lab"];
  assert.deepEqual(runAsUser(needRoot), needRoot.map((line) => `${sudo} ${line}`));
  const needNone = ["version", "help up", "secret new", "up --help", "--version", "completion bash"];
  assert.deepEqual(runAsUser(needNone), needNone.map((line) => `ovltun ${line}`));
});

test("scripts/ovltun runs the source under the runtime that OVLTUN_RUNTIME names", () => {
  const [needsRoot, needsNone] = runAsUser(["lab --hosts 2", "version"], "OVLTUN_RUNTIME=deno");
  const deno = "run --quiet -A src/main.ts";
  assert.equal(
    needsRoot,
    `sudo --preserve-env=OVLTUN_RUNTIME -- node_modules/.bin/deno ${deno} lab --hosts 2`,
  );
  assert.equal(needsNone, `deno ${deno} version`);
  assert.match(
    runAsUser(["version"], "OVLTUN_RUNTIME=node")[0]!,
    /^OVLTUN_RUNTIME is deno or bun, not "node"/,
  );
});
