import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createServer } from "node:net";
import { test } from "node:test";
import { serveApi } from "../../src/api/server.ts";
import { down, explained } from "../../src/commands/down.ts";
import { RunDir } from "../../src/daemon/state/run_dir.ts";
import { SysError } from "../../src/ports/sys_error.ts";
import { systemLocks } from "../../src/machine/locks.ts";
import { systemMachine } from "../../src/machine/machine.ts";

test("down tells whoever is not root which path it was and what to do, and passes on what else went wrong", () => {
  for (const code of ["EACCES", "EPERM"]) {
    const refused = Object.assign(new Error(`${code}: permission denied, rm`), {
      code,
      path: "/run/ovltun/x",
    });
    const error = explained(refused) as Error;
    assert.equal(error.message, `Cannot remove "/run/ovltun/x": ${code} (run as root, like the daemon)`);
    assert.equal(error.cause, refused);
  }
  let missing: unknown;
  try {
    rmSync("/nonexistent/ovltun");
  } catch (error) {
    missing = error;
  }
  const kernel = new SysError("netlink", 1, "Operation not permitted");
  for (const other of [missing, kernel, new Error("x")]) assert.equal(explained(other), other);
});

test("down names for a kill only the process that listens at the socket, not the number that the daemon gave", async () => {
  const root = mkdtempSync(join(tmpdir(), "ovltun-down-"));
  const runDir = join(root, "run");
  const held = new RunDir(systemLocks, runDir);
  // A daemon in a container is process 1 there. It says that it stops, and does not.
  const api = await serveApi(join(runDir, "control.sock"), { stop: () => ({ pid: 1, release: null }) });
  try {
    const places = {
      runDir,
      stateDir: join(root, "state"),
      device: "ovl0",
      subnetFile: join(runDir, "subnet.env"),
    };
    await assert.rejects(down(systemMachine, { ...places, purge: false }, 100), (error: Error) => {
      assert.ok(error.message.includes(`end it with kill -9 ${process.pid},`), error.message);
      return true;
    });
  } finally {
    await api.close();
    const places = {
      runDir,
      stateDir: join(root, "state"),
      device: "ovl0",
      subnetFile: join(runDir, "subnet.env"),
    };
    // Nobody is sent in a circle where the daemon cannot serve its socket.
    await assert.rejects(
      down(systemMachine, { ...places, purge: false }),
      /its socket does not answer .*: send it SIGTERM/,
    );
    held.close();
    rmSync(root, { recursive: true });
  }
});

test("down of a daemon that is ending already, and hangs up, waits for its end", async () => {
  for (const ending of ["destroy", "resetAndDestroy"] as const) {
    const root = mkdtempSync(join(tmpdir(), "ovltun-down-"));
    const runDir = join(root, "run");
    const held = new RunDir(systemLocks, runDir);
    const server = createServer((caller) => {
      // It ends between the call and its answer, and lets go of its directory a little later.
      caller.on("error", () => {}).once("data", () => {
        caller[ending]();
        server.close();
        setTimeout(() => held.close(), 100);
      });
    });
    await new Promise<void>((resolve) => server.listen(join(runDir, "control.sock"), () => resolve()));
    try {
      const places = { runDir, stateDir: join(root, "state"), device: "ovl0" };
      const { foreign } = await down(systemMachine, {
        ...places,
        subnetFile: join(runDir, "subnet.env"),
        purge: false,
      });
      assert.equal(foreign, false);
    } finally {
      held.close();
      rmSync(root, { recursive: true });
    }
  }
});
