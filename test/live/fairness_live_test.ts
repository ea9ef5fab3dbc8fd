/**
 * Two floods at once, one in each direction through the same two data planes: neither starves the other. Not a
 * measurement (the shares are printed): a full TUN queue does not keep a Worker from its socket. The reverse cannot be shown
 * where hosts share two processors: a Worker receives faster than another one sends.
 */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { figure, iperf, liveTest, startMesh, withHosts } from "./mesh.ts";
import { collect, type Host } from "./host.ts";

const SECONDS = 3;
/** Programs that send UDP in each direction, and room for what they send: the queue is never read empty. */
const SENDERS = 3;
const QUEUE = 20_000;
/** SECONDS, LENGTH, ADDRESS: nobody listens there, and what arrives is counted by the daemon. */
const SEND = `use Time::HiRes "time"; my ($seconds, $length, $address) = @ARGV; my $end = time + $seconds;
  socket(S, AF_INET, SOCK_DGRAM, 0); my $to = pack_sockaddr_in(9, inet_aton($address)); my $bytes = "x" x $length;
  while (time < $end) { send(S, $bytes, 0, $to) for 1..500 }`;

/** Bytes that arrived in either direction while `run` floods both. */
async function arrived(hosts: readonly [Host, Host], run: () => Promise<unknown>): Promise<[number, number]> {
  const [alpha, beta] = hosts;
  const received = async (host: Host, from: Host) => (await host.daemon.peer(from.name))!.rxBytes;
  const both = () => Promise.all([received(beta, alpha), received(alpha, beta)]);
  const before = await both();
  await run();
  const after = await both();
  return [after[0] - before[0], after[1] - before[1]];
}

function assertShares(name: string, [there, back]: readonly [number, number]): void {
  const sum = there + back;
  const text = [there, back].map((part) => `${(100 * part / sum).toFixed(0)} %`).join(" : ");
  figure(`${name} both ways: ${(sum / 1e6).toFixed(0)} MB in ${SECONDS} s, ${text}`);
  assert.ok(Math.min(there, back) > 0, `${name}: ${text}`);
}

async function blast(from: Host, address: string, length: number): Promise<void> {
  const command = ["/usr/bin/perl", "-MSocket", "-e", SEND, `${SECONDS}`, `${length}`, address];
  const ends = await Promise.all(Array.from({ length: SENDERS }, () => collect(from.spawn(command))));
  for (const { code, stderr } of ends) assert.equal(code, 0, stderr);
}

for (const [backend, ...switches] of [["udp"], ["udp", "no-tso", "no-uso", "no-gso", "no-gro"], ["vxlan"]]) {
  const how = [backend, ...switches].join(" --");
  liveTest(`floods in both directions at once both make progress: ${how}`, async () => {
    await withHosts(2, async (hosts) => {
      const pair = hosts as [Host, Host];
      const [alpha, beta] = pair;
      const flags = ["--backend", backend!, ...switches.map((name) => `--${name}`)];
      const [here, there] = (await startMesh(hosts, ["compiled"], flags)).map(({ node }) => node.address!);
      const tcp = await Promise.all([
        iperf(alpha, beta, there!, SECONDS),
        iperf(beta, alpha, here!, SECONDS),
      ]);
      assertShares(`${how}, TCP`, [tcp[0] * SECONDS * 125_000, tcp[1] * SECONDS * 125_000]);
      for (const host of hosts) {
        await host.sh(`ip link set ovl0 txqueuelen ${QUEUE}; nft add table inet quiet;
          nft 'add chain inet quiet in { type filter hook input priority 0; }'
          nft add rule inet quiet in udp dport 9 drop`);
      }
      for (const length of [1300, 64]) {
        const bytes = await arrived(
          pair,
          () => Promise.all([blast(alpha, there!, length), blast(beta, here!, length)]),
        );
        assertShares(`${how}, UDP ${length} B`, bytes);
        await sleep(500); // what waits in queues is no part of the next one
      }
    });
  });
}
