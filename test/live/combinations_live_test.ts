/**
 * Every combination of the four switches, both backends, IPv4 and IPv6 inside the tunnel: great transfers, small
 * flows and UDP superframes arrive unchanged between two data planes that no daemon feeds (see bare_plane.ts), both
 * with the same switches. In the short run IPv6 with all offloads and with none; the daemons have IPv4 leases only.
 */
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import type { Offloads } from "../../src/ports/devices.ts";
import { address, type BarePlane, type BarePlaneEnd } from "./bare_plane.ts";
import { assertDatagrams } from "./datagrams.ts";
import { COMMANDS, type Host, TOP } from "./host.ts";
import { figure, flows, liveTest, transfer, withHosts } from "./mesh.ts";

const LONG = process.env.OVLTUN_LONG === "1";
const BYTES = LONG ? 1_000_000_000 : 16_000_000;
const BACK_BYTES = 16_000_000;
const FLOWS = 60;
const ALL = 0b1111;
const MASKS = LONG ? Array.from({ length: 16 }, (_, mask) => mask) : [ALL, 0];
const FAMILIES = LONG ? [4, 6] as const : [6] as const;
const START_MS = 90_000;
const MEANT_TO_BE_ZERO = ["malformed", "bad-checksum", "tun-write-failed", "spoofed", "send-failed"];

function offloadsOf(mask: number): Offloads {
  return { tso: (mask & 1) !== 0, uso: (mask & 2) !== 0, gso: (mask & 4) !== 0, gro: (mask & 8) !== 0 };
}

/** A data plane that runs in a host. */
class RunningPlane {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterableIterator<string>;
  #stderr = "";

  constructor(host: Host, setup: BarePlane) {
    const program = [COMMANDS.bun[0]!, join(TOP, "test/live/bare_plane.ts"), JSON.stringify(setup)];
    this.#child = host.spawn(program);
    this.#child.stderr!.setEncoding("utf8").on("data", (text: string) => this.#stderr += text);
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]();
  }

  /** Its next line, parsed. Throws with what it said on stderr when there is none. */
  async #line(): Promise<unknown> {
    const late = sleep(START_MS, null, { ref: false });
    const next = await Promise.race([this.#lines.next(), late]);
    if (next === null || next.done) throw new Error(`The data plane says nothing: ${this.#stderr}`);
    return JSON.parse(next.value);
  }

  /** The superframes that its device carries, once it works. */
  ready(): Promise<unknown> {
    return this.#line();
  }

  async end(): Promise<BarePlaneEnd> {
    this.#child.stdin!.end();
    return await this.#line() as BarePlaneEnd;
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }
}

/** What the host's kernel found wrong in TCP and UDP: a lost segment comes again, so a transfer hides it. */
async function checksumErrors(host: Host): Promise<number> {
  const script = `awk '$1 == "Tcp:" || $1 == "Udp:" {
      if ($1 == protocol) errors += $column
      else { protocol = $1; for (i = 1; i <= NF; i++) if ($i == "InCsumErrors") column = i }
    }
    $1 == "Udp6InCsumErrors" { errors += $2 }
    END { print errors + 0 }' /proc/net/snmp /proc/net/snmp6`;
  return Number(await host.sh(script));
}

/** Two data planes with these switches; everything sent through them must arrive as it was. */
async function exchange(encapsulation: BarePlane["encapsulation"], offloads: Offloads, name: string) {
  await withHosts(2, async (hosts) => {
    const [alpha, beta] = hosts as [Host, Host];
    const planes = hosts.map((host, i) => new RunningPlane(host, { own: i + 1, encapsulation, offloads }));
    try {
      const { tso, uso } = offloads;
      for (const plane of planes) assert.deepEqual(await plane.ready(), { tso, uso });
      for (const family of FAMILIES) {
        const [here, there] = [address(1, family), address(2, family)];
        await alpha.firstAnswer(there, 3000);
        const began = performance.now();
        await transfer(alpha, beta, there, BYTES);
        const took = performance.now() - began;
        const gigabits = (BYTES * 8 / 1e6 / took).toFixed(2);
        figure(
          `${name}, IPv${family}: ${BYTES / 1e6} MB with SHA-256 in ${(took / 1000).toFixed(1)} s, ` +
            `${gigabits} Gbit/s`,
        );
        await transfer(beta, alpha, here, BACK_BYTES);
        await flows(alpha, beta, there, FLOWS);
        await assertDatagrams(alpha, beta, there);
        await assertDatagrams(beta, alpha, here);
      }
      for (const host of hosts) assert.equal(await checksumErrors(host), 0, `${host.name}: wrong checksums`);
      for (const plane of planes) {
        const { drops, lost } = await plane.end();
        assert.deepEqual(lost, []);
        for (const drop of MEANT_TO_BE_ZERO) assert.equal(drops[drop] ?? 0, 0, drop);
      }
    } finally {
      planes.forEach((plane) => plane.kill());
    }
  });
}

for (const [backend, encapsulation] of [["udp", "data"], ["vxlan", "vxlan"]] as const) {
  for (const mask of MASKS) {
    const offloads = offloadsOf(mask);
    const off = Object.entries(offloads).filter(([, on]) => !on).map(([offload]) => `--no-${offload}`);
    const name = `${backend} ${off.join(" ") || "as it is"}`;
    liveTest(
      `IPv${FAMILIES.join(" and IPv")} arrive unchanged between bare data planes: ${name}`,
      async () => {
        await exchange(encapsulation, offloads, name);
      },
    );
  }
}
