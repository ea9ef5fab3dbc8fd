/** UDP superframes between two hosts of the live tests: sent as one (UDP_SEGMENT), they must arrive as datagrams. */
import assert from "node:assert/strict";
import { isIPv6 } from "node:net";
import { collect, type Host } from "./host.ts";

const RECEIVE = `socket(S, AF_INET6, SOCK_DGRAM, 0); bind(S, pack_sockaddr_in6(7000, IN6ADDR_ANY)) or die $!;
  $| = 1; print "ready\\n"; for (1..30) {
    setsockopt(S, SOL_SOCKET, SO_RCVTIMEO, pack("q2", $_ > 11 ? (0, 300000) : (30, 0))) or die;
    last unless defined recv(S, $b, 70000, 0); print length($b), " " }`;
/** FAMILY and ADDRESS: 2 or 10, text. */
const SEND = `($f, $a) = @ARGV; $n = Socket::inet_pton($f, $a);
  socket(S, $f, SOCK_DGRAM, 0); setsockopt(S, 17, 103, pack("i", 1000)) or die;
  send(S, "x" x 10500, 0, $f == 2 ? pack_sockaddr_in(7000, $n) : pack_sockaddr_in6(7000, $n)) or die $!`;
const IPV4 = "2", IPV6 = "10";

/** Ten and a half datagrams of 1000 bytes that leave as one UDP superframe arrive as they are. */
export async function assertDatagrams(from: Host, to: Host, address: string): Promise<void> {
  const receiver = to.spawn(["/usr/bin/perl", "-MSocket=:all", "-e", RECEIVE]);
  const listening = new Promise((resolve) => receiver.stdout!.once("data", resolve));
  const finished = collect(receiver, { timeoutMs: 120_000 });
  await Promise.race([listening, finished]);
  await from.firstAnswer(address, 3000);
  const family = isIPv6(address) ? IPV6 : IPV4;
  const sent = await from.run(["/usr/bin/perl", "-MSocket=:all", "-e", SEND, family, address]);
  assert.equal(sent.code, 0, `${from.name}: ${sent.stderr}`);
  const { stdout, stderr } = await finished;
  const wanted = "1000 1000 1000 1000 1000 1000 1000 1000 1000 1000 500";
  assert.equal(stdout.replace("ready\n", "").trim(), wanted, `${from.name} → ${address}: ${stderr}`);
}
