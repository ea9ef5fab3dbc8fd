/**
 * A member with changed software sends packets whose inner source is not its own: who receives them drops and counts
 * them. The member is the program without the one check that keeps an honest host from sending such a packet.
 */
import assert from "node:assert/strict";
import { cpSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { COMMANDS, type Host, TOP, until } from "./host.ts";
import { liveTest, NETWORK, withHosts } from "./mesh.ts";
import { secretFile } from "./sealed.ts";

const DATAGRAMS = 20;
const EGRESS_CHECK = "if (routes.sourceOf(b, at) !== OWN_SLOT) {";

/** UDP datagrams with any source, past the kernel's own check of it. */
const SEND = `socket(S, AF_INET, SOCK_RAW, 255) or die "socket: $!"; my ($from, $to, $count) = @ARGV;
  for my $n (1 .. $count) { select(undef, undef, undef, 0.005);
    my $header = pack("CCnnnCCna4a4", 0x45, 0, 44, $n, 0, 64, 17, 0, inet_aton($from), inet_aton($to));
    send(S, $header . pack("nnnn", 7100, 7100, 24, 0) . "x" x 16, 0, pack_sockaddr_in(0, inet_aton($to))) or die $! }`;

/** The program, run by Bun from a copy of the source whose host sends whatever its kernel hands it. */
function withoutEgressCheck(folder: string): string[] {
  const copy = join(folder, "changed");
  cpSync(join(TOP, "src"), join(copy, "src"), { recursive: true });
  cpSync(join(TOP, "package.json"), join(copy, "package.json"));
  symlinkSync(join(TOP, "node_modules"), join(copy, "node_modules"));
  const file = join(copy, "src/dataplane/out/outbound.ts");
  const parts = readFileSync(file, "utf8").split(EGRESS_CHECK);
  assert.equal(parts.length, 2, "the check of the source is where it was");
  writeFileSync(file, parts.join("if (b.length === 0) {"));
  return [COMMANDS.bun[0]!, join(copy, "src/main.ts")];
}

liveTest("a member that sends with sources outside its lease reaches nobody", async () => {
  await withHosts(3, async (hosts, folder) => {
    const [alpha, beta, gamma] = hosts as [Host, Host, Host];
    const secret = ["--secret-file", secretFile(folder)];
    const peers = [...secret, "--peers", alpha.underlay];
    alpha.up("compiled", [...secret, "--network", NETWORK]);
    beta.up("compiled", peers);
    gamma.start("bun", withoutEgressCheck(folder), peers);
    const statuses = await Promise.all(hosts.map((host) => host.daemon.ready(2)));
    const [here, there, own] = statuses.map(({ node }) => node.address!) as [string, string, string];
    assert.equal(await gamma.pingLoss(here), 0);

    /** How many of the datagrams that `from` sends with this source its peer delivers, and drops as spoofed. */
    const arrived = async (from: Host, source: string): Promise<number[]> => {
      const count = async () => {
        const { counters, drops } = await alpha.daemon.status();
        return [counters["delivered"]!, drops["spoofed"]!];
      };
      const before = await count();
      const refusedBefore = (await from.daemon.status()).drops["not-ours"]!;
      const sent = await from.run(["/usr/bin/perl", "-MSocket", "-e", SEND, source, here, `${DATAGRAMS}`]);
      assert.equal(sent.code, 0, sent.stderr);
      return await until("all are counted", 1000, async () => {
        const since = (await count()).map((n, i) => n - before[i]!);
        const refused = (await from.daemon.status()).drops["not-ours"]! - refusedBefore;
        return since[0]! + since[1]! + refused >= DATAGRAMS ? since : null;
      });
    };
    const taken = new Set(statuses.map(({ node }) => node.subnet));
    const free = [1, 2, 3, 4].map((n) => `10.42.${n}`).find((net) => !taken.has(`${net}.0/24`))!;
    assert.deepEqual(await arrived(gamma, own), [DATAGRAMS, 0], "from its own lease it is heard");
    assert.deepEqual(await arrived(gamma, there), [0, DATAGRAMS], "from another member's lease");
    assert.deepEqual(await arrived(gamma, here), [0, DATAGRAMS], "from the receiver's own address");
    assert.deepEqual(await arrived(gamma, `${free}.9`), [0, DATAGRAMS], "from what nobody holds");
    assert.deepEqual(await arrived(gamma, "192.0.2.7"), [0, DATAGRAMS], "from outside the network");
    assert.equal((await gamma.daemon.status()).drops["not-ours"], 0, "its own check is gone");

    // An honest host does not send it in the first place.
    assert.deepEqual(await arrived(beta, own), [0, 0]);
    assert.equal((await beta.daemon.status()).drops["not-ours"], DATAGRAMS);
    assert.equal(await beta.pingLoss(here), 0);
  });
});
