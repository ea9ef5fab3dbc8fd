import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { test } from "node:test";
import { explained } from "../../src/daemon/down.ts";
import { SysError } from "../../src/sys/sys_error.ts";

test("down tells whoever is not root which path it was and what to do, and passes on what else went wrong", () => {
  for (const code of ["EACCES", "EPERM"]) {
    const refused = Object.assign(new Error(`${code}: permission denied, rm`), {
      code,
      path: "/run/ovltun/x",
    });
    const error = explained(refused) as Error;
    assert.equal(error.message, `Cannot remove "/run/ovltun/x": ${code} (run as root, as the daemon does)`);
    assert.equal(error.cause, refused);
  }
  let missing: unknown;
  try {
    rmSync("/nonexistent/ovltun");
  } catch (error) {
    missing = error;
  }
  const kernel = new SysError("netlink", 1);
  for (const other of [missing, kernel, new Error("x")]) assert.equal(explained(other), other);
});
