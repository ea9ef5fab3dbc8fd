/** A wall clock that is wrong, or jumps by a day, on one host of a sealed mesh: nothing that counts looks at it. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Status } from "../../src/api/schema.ts";
import { COMMANDS, type Host, type Kind, TOP, until } from "./host.ts";
import { assertAllPairs, figure, liveTest, NETWORK, transfer, withHosts } from "./mesh.ts";
import { secretFile } from "./sealed.ts";

const DAY_MS = 86_400_000;
const TRANSFER_BYTES = 20_000_000;
const PINGS = 400;

/** A host whose wall clock is `set` off by milliseconds, while it runs or before. */
class ShiftedHost {
  readonly host: Host;
  readonly #file: string;

  constructor(host: Host, folder: string) {
    this.host = host;
    this.#file = join(folder, `${host.name}-shift`);
    this.set(0);
  }

  set(milliseconds: number): void {
    writeFileSync(this.#file, `${milliseconds}`);
  }

  up(kind: Kind, flags: readonly string[]): void {
    const program = COMMANDS[kind].map((word) =>
      word === join(TOP, "src/main.ts") ? join(TOP, "test/live/shifted_main.ts") : word
    );
    this.host.start(kind, ["env", `SHIFT_FILE=${this.#file}`, ...program], flags);
  }

  /** The day of its newest log line, as Unix time. */
  loggedAt(): number {
    const times = [...this.host.daemon.log().matchAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g)];
    return Date.parse(times.at(-1)![0]);
  }
}

/** Every host has the others alive behind a session, and nothing to complain of. */
async function assertUndisturbed(hosts: readonly Host[]): Promise<Status[]> {
  return await Promise.all(hosts.map(async (host) => {
    const status = await host.daemon.status();
    assert.deepEqual(status.warnings, [], host.name);
    assert.doesNotMatch(host.daemon.log(), /Z (warn|error)/, host.name);
    for (const peer of status.peers) {
      const seen = `${host.name} of ${peer.name}: ${JSON.stringify(peer)}`;
      assert.deepEqual([peer.state, peer.path, peer.security], ["alive", "tunnel", "sealed"], seen);
      assert.ok(peer.rttMs === null || (peer.rttMs >= 0 && peer.rttMs < DAY_MS / 10), seen);
    }
    return status;
  }));
}

for (const kind of ["bun", "deno"] as const) {
  liveTest(
    `the wall clock of a running host a day on, then a day back (${kind}): nothing changes`,
    async () => {
      await withHosts(3, async (hosts, folder) => {
        const [alpha, beta, gamma] = hosts as [Host, Host, Host];
        const shifted = new ShiftedHost(beta, folder);
        const secret = ["--secret-file", secretFile(folder), "--log-level", "debug"];
        const peers = [...secret, "--peers", alpha.underlay];
        alpha.up("compiled", [...secret, "--network", NETWORK]);
        shifted.up(kind, peers);
        const [, there] = await Promise.all([alpha.daemon.ready(1), beta.daemon.ready(1)]);
        assert.ok(Math.abs(shifted.loggedAt() - Date.now()) < DAY_MS / 10, "its clock was right");
        const since = performance.now();
        const lost = alpha.pingLoss(there!.node.address!, PINGS);
        const sent = transfer(alpha, beta, there!.node.address!, TRANSFER_BYTES);
        await sleep(1500);
        for (const off of [DAY_MS, -DAY_MS]) {
          shifted.set(off);
          // A member that joins, and one that leaves: its lease and its going are known everywhere.
          gamma.up("compiled", peers);
          // Its word that it is back reaches the others a moment after its session does.
          const [joined] = await Promise.all([gamma, alpha, beta].map((host) => host.daemon.ready(2)));
          const statuses = await assertUndisturbed([alpha, beta]);
          assert.ok(
            Math.abs(shifted.loggedAt() - Date.now() - off) < DAY_MS / 10,
            "it logs by the wrong clock",
          );
          await assertAllPairs(hosts, [...statuses, joined!]);
          await gamma.daemon.kill("SIGTERM");
          await until("both hear that gamma was stopped", 5000, async () => {
            const seen = await Promise.all([alpha, beta].map((host) => host.daemon.peer("gamma")));
            return seen.every((peer) => peer?.state === "dead" && peer.subnet === joined!.node.subnet)
              ? true
              : null;
          });
        }
        await sent;
        const percent = await lost;
        figure(`wall clock ± 1 day on a running host, ${kind}: ${percent} % of ${PINGS} pings lost`);
        assert.ok(percent < 100, "no ping was answered");
        for (const [host, other] of [[alpha, "beta"], [beta, "alpha"]] as const) {
          const age = (await host.daemon.peer(other))!.lastHandshakeSeconds!;
          assert.ok(
            age >= (performance.now() - since) / 1000 - 1,
            `${host.name} made a new session: ${age} s`,
          );
        }
      });
    },
  );

  liveTest(
    `hosts that start with the wall clock a day off join and keep their leases (${kind})`,
    async () => {
      await withHosts(3, async (hosts, folder) => {
        const [alpha, beta, gamma] = hosts as [Host, Host, Host];
        const secret = ["--secret-file", secretFile(folder)];
        const peers = [...secret, "--peers", alpha.underlay];
        alpha.up("compiled", [...secret, "--network", NETWORK]);
        const shifted = [beta, gamma].map((host) => new ShiftedHost(host, folder));
        for (const [i, off] of [DAY_MS, -DAY_MS].entries()) {
          shifted[i]!.set(off);
          shifted[i]!.up(kind, peers);
        }
        const statuses = await Promise.all(hosts.map((host) => host.daemon.ready(2)));
        for (const [i, off] of [DAY_MS, -DAY_MS].entries()) {
          assert.ok(
            Math.abs(shifted[i]!.loggedAt() - Date.now() - off) < DAY_MS / 10,
            "it logs by the wrong clock",
          );
        }
        await assertAllPairs(hosts, statuses);
        // Again, with the clocks the other way round: a start goes by its disk, and no time in it.
        for (const [i, off] of [-DAY_MS, DAY_MS].entries()) {
          await shifted[i]!.host.daemon.kill("SIGTERM");
          shifted[i]!.set(off);
          shifted[i]!.up(kind, peers);
        }
        const again = await Promise.all(hosts.map((host) => host.daemon.ready(2)));
        assert.deepEqual(again.map(({ node }) => node.subnet), statuses.map(({ node }) => node.subnet));
        await assertAllPairs(hosts, again);
        for (const { node, warnings } of again) assert.deepEqual(warnings, [], node.name);
      });
    },
  );
}
