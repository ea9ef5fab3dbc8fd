/** Programs that run beside the daemon: what they are told, and what is said of those that go wrong. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { run } from "../../src/machine/child.ts";

/** Runs a shell script until it is done, or has gone wrong. */
async function runScript(text: string, milliseconds: number): Promise<{ trouble: string; written: string }> {
  const directory = mkdtempSync(join(tmpdir(), "ovltun-child-"));
  const script = join(directory, "hook"), out = join(directory, "out");
  writeFileSync(script, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  writeFileSync(out, "");
  try {
    const trouble = await new Promise<string>((resolve) =>
      run(script, { OUT: out, WHY: "a conflict" }, milliseconds, resolve)
    );
    return { trouble: trouble.replace(script, "hook"), written: readFileSync(out, "utf8") };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test("a program gets its environment, and its exit code is told when it is not 0", async () => {
  const { trouble, written } = await runScript('echo "$WHY" > "$OUT"; exit 3', 60_000);
  assert.equal(written, "a conflict\n");
  assert.equal(trouble, '"hook" exited with code 3');
});

test("a program that takes too long is killed, also when it ignores SIGTERM", async () => {
  const { trouble } = await runScript("trap '' TERM; exec sleep 60", 200);
  assert.equal(trouble, '"hook" was killed (it may take 0.2 s)');
});

test("a program that is not there is told", async () => {
  const trouble = await new Promise<string>((resolve) => run("/nowhere/hook", {}, 60_000, resolve));
  assert.match(trouble, /^Cannot run "\/nowhere\/hook": .*ENOENT/);
});
