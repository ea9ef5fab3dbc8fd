/**
 * Somebody on the path between the hosts: sees every frame that they send, can send any frame to any of them, and,
 * once the cables are cut from the bridge, decides what arrives at all. Works on the bridge's ports with packet sockets.
 */
import { Buffer } from "node:buffer";
import { type ChildProcess, spawn } from "node:child_process";
import { collect, type Host } from "./host.ts";
import type { Topology } from "../../src/lab/topology.ts";

/** A packet socket for each port: prints what hosts send as `PORT HEX`, sends what it is told as `PORT HEX`. */
const PROGRAM = String.raw`use strict; $| = 1; my (%socket, %name);
for my $port (@ARGV) {
  socket(my $s, 17, 3, 0x0300) or die "socket: $!";
  my $request = pack("a16 x24", $port); ioctl($s, 0x8933, $request) or die "$port: $!";
  my $index = unpack("x16 i", $request);
  setsockopt($s, 1, 33, pack("i", 16 << 20)) or die $!;
  bind($s, pack("S S i S C C a8", 17, 0x0300, $index, 0, 0, 0, "")) or die "bind: $!";
  $socket{$port} = $s; $name{fileno $s} = $port;
}
print "ready\n"; my $rest = "";
for (;;) {
  my $r = ""; vec($r, fileno $_, 1) = 1 for values %socket; vec($r, 0, 1) = 1;
  select($r, undef, undef, undef);
  for my $port (keys %socket) {
    next unless vec($r, fileno $socket{$port}, 1);
    my $from = recv($socket{$port}, my $frame, 70000, 0); next unless defined $from;
    print "$port ", unpack("H*", $frame), "\n" unless unpack("x10 C", $from) == 4;
  }
  if (vec($r, 0, 1)) {
    exit unless sysread(STDIN, $rest, 65536, length $rest);
    while ($rest =~ s/^(\S+) (\S+)\n//) { send($socket{$1}, pack("H*", $2), 0) // warn "$1: $!" }
  }
}`;

const ETHERNET = 14;
const IPV4 = 20;
const UDP = 8;
const PAYLOAD_AT = ETHERNET + IPV4 + UDP;

/** A UDP datagram as it came from a host. */
export interface Seen {
  /** Where it came from. */
  readonly from: Host;
  /** The whole frame. */
  readonly frame: Uint8Array;
  readonly payload: Uint8Array;
}

export class Attacker {
  /** Every UDP datagram the hosts sent, in order. */
  readonly seen: Seen[] = [];
  readonly #hosts: readonly Host[];
  readonly #between: Topology["between"];
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  readonly #ready: Promise<void>;
  #forward: ((frame: Uint8Array, isUdp: boolean) => readonly Uint8Array[]) | null = null;

  constructor(hosts: readonly Host[], between: Topology["between"]) {
    this.#hosts = hosts;
    this.#between = between;
    const ports = hosts.map(portOf);
    this.#child = this.#spawn(["/usr/bin/perl", "-e", PROGRAM, ...ports]);
    let opened = () => {};
    this.#ready = new Promise((resolve) => opened = resolve);
    let rest = "";
    this.#child.stdout!.setEncoding("latin1").on("data", (text: string) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      for (const line of lines) {
        if (line === "ready") opened();
        else this.#take(line);
      }
    });
    this.#child.stderr!.setEncoding("utf8").on("data", (text: string) => console.log(`attacker: ${text}`));
    this.#child.stdin!.on("error", () => {});
    this.#ended = new Promise((resolve) => this.#child.on("close", resolve));
  }

  /** Waits until everything is seen. Trains are cut on the way, as a wire would see them. */
  async open(): Promise<void> {
    await this.#ready;
    for (const host of this.#hosts) await host.sh("ethtool -K eth0 tx-udp-segmentation off gso off tso off");
  }

  #spawn(command: readonly string[]): ChildProcess {
    return this.#between(() => spawn(command[0]!, command.slice(1), { stdio: "pipe", cwd: "/" }));
  }

  /** A shell script between the hosts. */
  async sh(script: string): Promise<void> {
    const child = this.#spawn(["sh", "-ec", script]);
    const { code, stderr } = await collect(child);
    if (code !== 0) throw new Error(`${script}: ${stderr}`);
  }

  /** Takes the cables of two hosts from the bridge: only what `rule` gives for a frame arrives at the other. */
  async interpose(rule: (frame: Uint8Array, isUdp: boolean) => readonly Uint8Array[]): Promise<void> {
    this.#forward = rule;
    for (const host of this.#hosts) await this.sh(`ip link set ${portOf(host)} nomaster`);
  }

  #take(line: string): void {
    const [port, hex] = line.split(" ") as [string, string];
    const frame = Uint8Array.from(Buffer.from(hex, "hex"));
    const from = this.#hosts.find((host) => portOf(host) === port)!;
    const isUdp = frame.length >= PAYLOAD_AT && frame[12] === 8 && frame[13] === 0 && frame[14] === 0x45 &&
      frame[23] === 17;
    if (isUdp) {
      // The host left the checksum to its device, or it is of bytes that are changed later: none at all is right, too.
      frame[40] = frame[41] = 0;
      this.seen.push({ from, frame, payload: frame.slice(PAYLOAD_AT, ETHERNET + u16(frame, 16)) });
    }
    if (this.#forward === null) return;
    const to = this.#hosts.find((host) => host !== from)!;
    for (const one of this.#forward(frame, isUdp)) this.sendFrame(to, one);
  }

  sendFrame(to: Host, frame: Uint8Array): void {
    this.#child.stdin!.write(`${portOf(to)} ${Buffer.from(frame).toString("hex")}\n`);
  }

  /** The host that a datagram was meant for. */
  meantFor({ frame }: Seen): Host {
    const address = frame.slice(30, 34).join(".");
    return this.#hosts.find((one) => one.underlay === address)!;
  }

  async close(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }
}

function portOf(host: Host): string {
  return `to-${host.name}`;
}

function u16(b: Uint8Array, at: number): number {
  return b[at]! << 8 | b[at + 1]!;
}

/** A captured frame with another UDP payload, lengths and IP checksum set right. */
export function withPayload(frame: Uint8Array, payload: Uint8Array): Uint8Array {
  const made = new Uint8Array(PAYLOAD_AT + payload.length);
  made.set(frame.subarray(0, PAYLOAD_AT));
  made.set(payload, PAYLOAD_AT);
  const view = new DataView(made.buffer);
  view.setUint16(16, IPV4 + UDP + payload.length);
  view.setUint16(38, UDP + payload.length);
  view.setUint16(40, 0);
  return withChecksum(made);
}

/** The frame sent back to whoever sent it, as if its receiver had. */
export function reflected(frame: Uint8Array): Uint8Array {
  const made = frame.slice();
  const swap = (a: number, b: number, length: number) => {
    made.set(frame.subarray(a, a + length), b);
    made.set(frame.subarray(b, b + length), a);
  };
  swap(0, 6, 6); // MAC addresses
  swap(26, 30, 4); // IP addresses
  swap(34, 36, 2); // ports
  return made;
}

/** The same from another IPv4 address and port. */
export function fromElsewhere(frame: Uint8Array, address: readonly number[], port: number): Uint8Array {
  const made = frame.slice();
  made.set(address, 26);
  made.set([port >> 8, port & 255], 34);
  return withChecksum(made);
}

function withChecksum(frame: Uint8Array): Uint8Array {
  frame[24] = frame[25] = 0;
  let sum = 0;
  for (let at = ETHERNET; at < ETHERNET + IPV4; at += 2) sum += u16(frame, at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  frame[24] = ~sum >> 8 & 255;
  frame[25] = ~sum & 255;
  return frame;
}
