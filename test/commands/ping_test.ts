import { test } from "node:test";
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { serveApi } from "../../src/api/server.ts";
import { type PingEcho, pingNode } from "../../src/commands/ping.ts";
import { openPinger } from "../../src/sys/pinger.ts";

const skip = process.getuid?.() === 0 ? false : "raw sockets need root";

test("openPinger() measures loopback, IPv4 and IPv6, and refuses what is no address", { skip }, () => {
  assert.throws(() => openPinger("beta"), TypeError);
  for (const address of ["127.0.0.1", "::1"]) {
    const pinger = openPinger(address);
    for (let sequence = 1; sequence <= 3; sequence++) {
      const rtt = pinger.ping(30_000);
      if (rtt === null && address === "::1") break; // a host without IPv6
      assert.ok(rtt !== null && rtt >= 0 && rtt < 30_000, `${address}: ${rtt} ${pinger.error}`);
      assert.equal(pinger.sequence, sequence);
    }
    pinger.close();
    pinger.close();
  }
});

test("pingNode() resolves anew before each echo and stops when told", { skip }, async () => {
  const directory = mkdtempSync(join(tmpdir(), "ovltun-ping-"));
  const socketPath = join(directory, "control.sock");
  let asked = 0;
  const server = await serveApi(socketPath, {
    resolve: () => {
      asked++;
      const path = asked === 1 ? "tunnel" : "direct-route";
      return { id: "b", name: "beta", subnet: null, address: "127.0.0.1", endpoint: null, path, self: false };
    },
  });
  try {
    const echoes: PingEcho[] = [];
    const options = { socketPath, node: "beta", ipv6: false, count: 100, intervalMs: 1, timeoutMs: 30_000 };
    for await (const echo of pingNode(options, () => echoes.length >= 3)) echoes.push(echo);
    assert.deepEqual(echoes.map((echo) => echo.sequence), [1, 2, 3]);
    assert.deepEqual(echoes.map((echo) => echo.target.path), ["tunnel", "direct-route", "direct-route"]);
    assert.ok(echoes.every((echo) => echo.rttMs !== null && echo.bytes === 64));
  } finally {
    await server.close();
    rmSync(directory, { recursive: true, force: true });
  }
});
