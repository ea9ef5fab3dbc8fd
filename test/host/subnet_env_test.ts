import { test } from "node:test";
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { renderSubnetEnv, writeSubnetEnv } from "../../src/host/subnet_env.ts";
import { prefix } from "../../src/wire/prefix.ts";

const ENV = { network: prefix("10.42.0.0/16"), subnet: prefix("10.42.7.0/24"), mtu: 1440, ipMasq: true };

test("renderSubnetEnv() writes flannel's four lines", () => {
  assert.equal(
    renderSubnetEnv(ENV),
    "FLANNEL_NETWORK=10.42.0.0/16\nFLANNEL_SUBNET=10.42.7.1/24\nFLANNEL_MTU=1440\nFLANNEL_IPMASQ=true\n",
  );
});

test("renderSubnetEnv() shows a subnet of one address by that address", () => {
  const text = renderSubnetEnv({ ...ENV, subnet: prefix("10.42.7.5/32"), ipMasq: false });
  assert.match(text, /^FLANNEL_SUBNET=10\.42\.7\.5\/32$/m);
  assert.match(text, /^FLANNEL_IPMASQ=false$/m);
});

test("writeSubnetEnv() lets the umask say who may read the file", () => {
  const root = mkdtempSync(join(tmpdir(), "subnet-env-"));
  const before = process.umask();
  try {
    for (const [umask, mode] of [[0o022, 0o644], [0o077, 0o600]] as const) {
      const path = join(root, "subnet.env");
      process.umask(umask);
      writeSubnetEnv(path, "text\n");
      assert.equal(statSync(path).mode & 0o777, mode);
    }
  } finally {
    process.umask(before);
    rmSync(root, { recursive: true });
  }
});

test("writeSubnetEnv() makes the directory, replaces the file whole, and leaves nothing beside it", () => {
  const root = mkdtempSync(join(tmpdir(), "subnet-env-"));
  try {
    const path = join(root, "a", "b", "subnet.env");
    writeSubnetEnv(path, "first, and longer\n");
    writeSubnetEnv(path, "second\n");
    assert.equal(readFileSync(path, "utf8"), "second\n");
    assert.deepEqual(readdirSync(dirname(path)), ["subnet.env"]);
  } finally {
    rmSync(root, { recursive: true });
  }
});

test("writeSubnetEnv() leaves nothing beside a file that it cannot replace", () => {
  const root = mkdtempSync(join(tmpdir(), "subnet-env-"));
  try {
    mkdirSync(join(root, "subnet.env"));
    assert.throws(() => writeSubnetEnv(join(root, "subnet.env"), "text\n"));
    assert.deepEqual(readdirSync(root), ["subnet.env"]);
  } finally {
    rmSync(root, { recursive: true });
  }
});
