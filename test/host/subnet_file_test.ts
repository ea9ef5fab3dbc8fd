import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { renderSubnetEnv, SubnetFile, writeSubnetEnv } from "../../src/host/subnet_file.ts";
import { prefix } from "../../src/wire/prefix.ts";

const ENV = { network: prefix("10.42.0.0/16"), subnet: prefix("10.42.7.0/24"), mtu: 1440, ipMasq: true };

test("renderSubnetEnv() writes flannel's four lines", () => {
  assert.equal(
    renderSubnetEnv(ENV),
    "FLANNEL_NETWORK=10.42.0.0/16\nFLANNEL_SUBNET=10.42.7.1/24\nFLANNEL_MTU=1440\nFLANNEL_IPMASQ=true\n",
  );
});

test("renderSubnetEnv() writes the lines of IPv6 as flannel does: behind those of IPv4, or alone", () => {
  const six = { network: prefix("fd42:1:2::/48"), subnet: prefix("fd42:1:2:7::/64") };
  const lines6 = "FLANNEL_IPV6_NETWORK=fd42:1:2::/48\nFLANNEL_IPV6_SUBNET=fd42:1:2:7::1/64\n";
  const rest = "FLANNEL_MTU=1440\nFLANNEL_IPMASQ=true\n";
  assert.equal(
    renderSubnetEnv({ ...ENV, second: six }),
    `FLANNEL_NETWORK=10.42.0.0/16\nFLANNEL_SUBNET=10.42.7.1/24\n${lines6}${rest}`,
  );
  assert.equal(renderSubnetEnv({ ...ENV, ...six }), lines6 + rest);
});

test("SubnetFile reads the leases of both families that it wrote", () => {
  const root = mkdtempSync(join(tmpdir(), "subnet-env-"));
  try {
    const second = { network: prefix("fd42:1:2::/48"), subnet: prefix("fd42:1:2:7::/64") };
    const { network, subnet } = ENV;
    for (const lease of [{ network, subnet }, { network, subnet, second }, second]) {
      const file = new SubnetFile(join(root, "subnet.env"), join(root, "note"));
      file.write(renderSubnetEnv({ ...ENV, ...lease }));
      assert.deepEqual(file.lease(), lease);
      assert.equal(file.owner(lease), "ours");
    }
  } finally {
    rmSync(root, { recursive: true });
  }
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

const LEASE = { network: prefix("10.42.0.0/16"), subnet: prefix("10.42.7.0/24") };
const text = (subnet: string, mtu = 1440) =>
  renderSubnetEnv({ ...LEASE, subnet: prefix(subnet), mtu, ipMasq: false });

function withFile(use: (file: SubnetFile, note: string, root: string) => void): void {
  const root = mkdtempSync(join(tmpdir(), "subnet-file-"));
  try {
    mkdirSync(join(root, "run"));
    const note = join(root, "run", "note.json");
    use(new SubnetFile(join(root, "etc", "subnet.env"), note), note, root);
  } finally {
    rmSync(root, { recursive: true });
  }
}

test("A subnet file is ours as long as it says what was noted, and leaves nothing when it goes", () => {
  withFile((file, note, root) => {
    assert.equal(file.owner(null), "absent");
    file.write(text("10.42.7.0/24"));
    assert.equal(file.owner(null), "ours");
    assert.deepEqual(file.lease(), LEASE);
    assert.deepEqual(SubnetFile.noted(note)?.path, file.path);
    file.write(text("10.42.8.0/24"));
    assert.equal(file.owner(null), "ours");
    writeFileSync(file.path, text("10.42.7.0/24")); // the end came between note and file
    assert.equal(file.owner(null), "ours");
    file.remove();
    assert.deepEqual([readdirSync(join(root, "run")), readdirSync(join(root, "etc"))], [[], []]);
    file.remove();
  });
});

test("A subnet file is foreign that flannel wrote, an administrator changed, or that is none", () => {
  withFile((file, _note, root) => {
    file.write(text("10.42.7.0/24"));
    for (
      const foreign of [text("10.42.9.0/24"), text("10.42.7.0/24", 1300), "root:x:0:0\n", "", "x".repeat(1e6)]
    ) {
      writeFileSync(file.path, foreign);
      assert.equal(file.owner(null), "foreign", foreign.slice(0, 40));
    }
    rmSync(file.path);
    mkdirSync(file.path);
    assert.equal(file.owner(LEASE), "foreign");
    rmSync(file.path, { recursive: true });
    const target = join(root, "target");
    for (const there of [true, false]) { // also one that leads nowhere
      if (there) writeFileSync(target, text("10.42.7.0/24"));
      symlinkSync(target, file.path);
      assert.equal(file.owner(LEASE), "foreign");
      rmSync(file.path);
      rmSync(target, { force: true });
    }
  });
});

test("A subnet file without a note is ours when it tells of the stored lease", () => {
  withFile((file, note) => {
    file.write(text("10.42.7.0/24"));
    rmSync(note); // a reboot, with the file outside of /run
    assert.equal(file.owner(null), "foreign");
    assert.equal(file.owner(LEASE), "ours");
    assert.equal(file.owner({ ...LEASE, subnet: prefix("10.42.8.0/24") }), "foreign");
    assert.equal(file.owner({ ...LEASE, network: prefix("10.0.0.0/8") }), "foreign");
    file.adopt();
    assert.equal(file.owner(null), "ours");
  });
});

test("A note about another path, or a damaged one, makes nothing ours", () => {
  withFile((file, note) => {
    file.write(text("10.42.7.0/24"));
    for (
      const bad of [
        "",
        "{",
        "[]",
        '{"path":3}',
        readFileSync(note, "utf8").replace("subnet.env", "other.env"),
      ]
    ) {
      writeFileSync(note, bad);
      assert.equal(file.owner(null), "foreign", bad);
    }
    file.forget();
    assert.ok(existsSync(note), "it is of another file");
  });
});
