import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { ConfigError } from "../../../src/config/config.ts";
import type { StoredState } from "../../../src/control/records/state.ts";
import { clearAll, clearForStart, storedLease } from "../../../src/daemon/host/leftovers.ts";
import { SUBNET_NOTE } from "../../../src/daemon/state/run_dir.ts";
import { ROUTE_PROTOCOL, UNREACHABLE_METRIC } from "../../../src/host/owned.ts";
import { renderSubnetEnv, SubnetFile } from "../../../src/host/subnet_file.ts";
import { FakeKernel, route } from "../../fakes/fake_kernel.ts";
import { prefix } from "../../../src/wire/prefix.ts";

const OLD = { network: prefix("10.42.0.0/16"), subnet: prefix("10.42.7.0/24") };
const env = (lease: typeof OLD) => renderSubnetEnv({ ...lease, mtu: 1440, ipMasq: false });
const unreachable = (destination: string) =>
  route(destination, { type: "unreachable", metric: UNREACHABLE_METRIC, protocol: ROUTE_PROTOCOL });

interface Place {
  readonly forward: boolean;
  readonly runDir: string;
  readonly stateDir: string;
  readonly subnetFile: string;
}

/** A host on which a daemon died with the lease OLD: its subnet.env, its note, its unreachable route. */
function afterCrash(use: (kernel: FakeKernel, place: Place) => void): void {
  const root = mkdtempSync(join(tmpdir(), "leftovers-"));
  try {
    const runDir = join(root, "run");
    mkdirSync(runDir);
    const place = { runDir, stateDir: root, subnetFile: join(runDir, "subnet.env"), forward: false };
    const kernel = new FakeKernel();
    kernel.addRoute(unreachable(OLD.subnet.text));
    new SubnetFile(place.subnetFile, join(runDir, SUBNET_NOTE)).write(env(OLD));
    use(kernel, place);
  } finally {
    rmSync(root, { recursive: true });
  }
}

const hostOf = (net: FakeKernel) => ({ net, ruleset: net.ruleset, sysctls: net.sysctls });
const KERNEL_MADE = 2;
const destinations = (kernel: FakeKernel) =>
  kernel.routes().filter(({ protocol }) => protocol !== KERNEL_MADE).map(({ destination }) =>
    destination.text
  );

test("A start that has no lease takes away subnet.env and route of a former one", () => {
  afterCrash((kernel, place) => {
    const { networks, report } = clearForStart(hostOf(kernel), place, null);
    assert.deepEqual(networks, []);
    assert.ok(!existsSync(place.subnetFile), "Docker would start with it");
    assert.deepEqual(destinations(kernel), []);
    assert.deepEqual([report.repaired.length, report.failed], [2, []]);
  });
});

test("A start with another lease takes them away, one with the same lease keeps them", () => {
  for (const subnet of [prefix("10.42.8.0/24"), OLD.subnet]) {
    afterCrash((kernel, place) => {
      const same = subnet === OLD.subnet;
      const { networks } = clearForStart(hostOf(kernel), place, { ...OLD, subnet });
      assert.deepEqual(networks, [OLD.network]);
      assert.equal(existsSync(place.subnetFile), same);
      assert.deepEqual(destinations(kernel), same ? [OLD.subnet.text] : []);
    });
  }
});

test("The route goes also when nothing is left that tells of its network, and a living instance keeps its own", () => {
  afterCrash((kernel, place) => {
    rmSync(place.runDir, { recursive: true });
    kernel.addRoute(unreachable("10.43.3.0/24"));
    kernel.addAddress({
      iface: kernel.interfaces()[0]!.index,
      address: "10.43.3.0",
      prefixLength: 32,
      scope: 0,
    });
    kernel.addRoute({ ...unreachable("10.44.3.0/24"), protocol: 3 });
    clearForStart(hostOf(kernel), place, null);
    assert.deepEqual(destinations(kernel).sort(), ["10.43.3.0/24", "10.44.3.0/24"]);
  });
});

test("A subnet file of others is refused at the start, and left by down, which tells", () => {
  afterCrash((kernel, place) => {
    const subnetFile = join(place.runDir, "passwd");
    for (const text of ["root:x:0:0\n", env({ ...OLD, subnet: prefix("10.42.9.0/24") })]) {
      writeFileSync(subnetFile, text);
      assert.throws(() => clearForStart(hostOf(kernel), { ...place, subnetFile }, null), (error: Error) => {
        assert.ok(error instanceof ConfigError, String(error));
        assert.ok(error.message.includes(`${subnetFile}" was not written by ovltun`), error.message);
        return true;
      });
      const { lines, foreign } = clearAll(hostOf(kernel), { ...place, subnetFile }, null);
      assert.ok(foreign);
      assert.ok(
        lines.includes(`Left ${JSON.stringify(subnetFile)}: it is not an ovltun file`),
        lines.join("\n"),
      );
      assert.equal(readFileSync(subnetFile, "utf8"), text);
    }
    assert.ok(!existsSync(place.subnetFile), "the one of the note is ours");
    assert.deepEqual(destinations(kernel), []);
  });
});

test("down without the note knows the file by the stored lease", () => {
  afterCrash((kernel, place) => {
    rmSync(join(place.runDir, SUBNET_NOTE));
    const stored = { mesh: { network: OLD.network }, claim: { subnet: OLD.subnet } } as StoredState;
    assert.deepEqual(storedLease(stored), OLD);
    const { foreign } = clearAll(hostOf(kernel), place, stored);
    assert.equal(foreign, false);
    assert.ok(!existsSync(place.subnetFile));
    assert.deepEqual(destinations(kernel), []);
  });
});

test("In a run directory of ovltun's a subnet.env of flannel's shape is ours without a note, anything else is not", () => {
  afterCrash((kernel, place) => {
    rmSync(join(place.runDir, SUBNET_NOTE));
    clearForStart(hostOf(kernel), place, null);
    assert.ok(!existsSync(place.subnetFile));
    writeFileSync(place.subnetFile, "# mine\n");
    assert.throws(() => clearForStart(hostOf(kernel), place, null), ConfigError);
    assert.equal(clearAll(hostOf(kernel), place, null).foreign, true);
    assert.ok(existsSync(place.subnetFile));
  });
});
