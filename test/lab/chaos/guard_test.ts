import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { test } from "node:test";
import { guard } from "../../../src/lab/chaos/guard.ts";
import { isAlive } from "../../../src/sys/process_alive.ts";

async function* told(lines: readonly string[]): AsyncGenerator<string> {
  yield* lines;
}

/** A process that does nothing, and the promise of its end. */
function idle(): { readonly child: ChildProcess; readonly ended: Promise<unknown> } {
  const child = spawn("sleep", ["60"], { stdio: "ignore" });
  return { child, ended: new Promise((resolve) => child.on("exit", resolve)) };
}

test("guard() kills who is paused when its input ends, and nobody who was continued", async () => {
  const [paused, continued] = [idle(), idle()];
  try {
    process.kill(paused.child.pid!, "SIGSTOP");
    const [a, b] = [paused.child.pid!, continued.child.pid!];
    // Cut where a pipe may cut.
    await guard(told([`+${a}\n+`, `${b}`, `\n-${b}\n+`]));
    await paused.ended;
    assert.equal(isAlive(b), true);
  } finally {
    process.kill(continued.child.pid!, "SIGKILL");
    await continued.ended;
  }
});
