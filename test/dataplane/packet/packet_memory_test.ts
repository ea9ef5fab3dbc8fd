import assert from "node:assert/strict";
import { test } from "node:test";
import {
  CHECKSUM_COMPLETE,
  CHECKSUM_PARTIAL,
  CHECKSUM_UNKNOWN,
  prepareVnet,
} from "../../../src/dataplane/packet/packet_memory.ts";
import { below, randomBytes, seeded } from "../../made/seeded.ts";
import {
  bytesOf,
  ipv4,
  ipv6,
  MF,
  naiveSum,
  pseudoSum,
  putWord,
  type Sum,
  TCP,
  tcp,
  UDP,
  udp,
  word,
} from "../../made/packets.ts";

const random = seeded(31);
const V4: [string, string] = ["10.42.2.1", "10.42.1.1"];
const V6: [string, string] = ["fd42:2::1", "fd42:1::1"];
const MTU = 1400;
const AT = 77; // an odd place: headers need no alignment

interface Prepared {
  readonly ok: boolean;
  readonly flags: number;
  readonly gsoType: number;
  readonly hdrLen: number;
  readonly gsoSize: number;
  readonly start: number;
  readonly offset: number;
  readonly packet: Uint8Array;
}

function prepare(packet: Uint8Array, checksum: number, mtu = MTU): Prepared {
  const b = new Uint8Array(70_000).fill(0xa5);
  b.set(packet, AT);
  const ok = prepareVnet(b, AT, packet.length, mtu, checksum);
  const end = AT + packet.length;
  assert.ok(b.every((byte, i) => (i >= AT - 10 && i < end) || byte === 0xa5), "nothing else is touched");
  const le = (at: number) => b[AT - 10 + at]! + 256 * b[AT - 9 + at]!;
  return {
    ok,
    flags: b[AT - 10]!,
    gsoType: b[AT - 9]!,
    hdrLen: le(2),
    gsoSize: le(4),
    start: le(6),
    offset: le(8),
    packet: b.slice(AT, end),
  };
}

function assertUntouched(packet: Uint8Array, checksum: number, what: string): void {
  const got = prepare(packet, checksum);
  assert.deepEqual({ ...got, packet: 0 }, {
    ok: true,
    flags: 0,
    gsoType: 0,
    hdrLen: 0,
    gsoSize: 0,
    start: 0,
    offset: 0,
    packet: 0,
  }, what);
  assert.deepEqual(got.packet, packet, what);
}

/** What the kernel does with NEEDS_CSUM: sums from csum_start on and writes the complement. */
function finish(p: Prepared): Uint8Array {
  const packet = p.packet.slice();
  putWord(packet, p.start + p.offset, 0xffff - naiveSum(packet.subarray(p.start)));
  return packet;
}

const CASES = [
  ["TCP over IPv4", tcp, V4, 20, 16],
  ["TCP over IPv6", tcp, V6, 40, 16],
  ["UDP over IPv4", udp, V4, 20, 6],
  ["UDP over IPv6", udp, V6, 40, 6],
] as const;

for (const [name, build, ends, start, offset] of CASES) {
  test(`prepareVnet() takes a field equal to the pseudo-header sum for partial: ${name}`, () => {
    for (const length of [0, 1, 2, 101, 1300]) {
      const payload = randomBytes(random, length);
      const got = prepare(build(ends, payload, "partial"), CHECKSUM_UNKNOWN);
      assert.deepEqual([got.ok, got.flags, got.gsoType, got.start, got.offset], [true, 1, 0, start, offset]);
      assert.deepEqual(finish(got), build(ends, payload, "complete"));
    }
  });

  test(`prepareVnet() leaves a checksum alone that is not partial, right or wrong: ${name}`, () => {
    for (const kind of ["complete", "wrong"] as Sum[]) {
      assertUntouched(build(ends, randomBytes(random, 333), kind), CHECKSUM_UNKNOWN, kind);
    }
  });

  test(`prepareVnet() writes the pseudo-header sum where the sender said partial: ${name}`, () => {
    const payload = randomBytes(random, 500);
    const got = prepare(build(ends, payload, "wrong"), CHECKSUM_PARTIAL);
    assert.deepEqual([got.ok, got.flags, got.start, got.offset], [true, 1, start, offset]);
    assert.equal(word(got.packet, start + offset), pseudoSum(got.packet, build === tcp ? TCP : UDP));
    assert.deepEqual(finish(got), build(ends, payload, "complete"));
  });

  test(`prepareVnet() touches nothing when the checksum is complete: ${name}`, () => {
    for (const kind of ["complete", "partial", "wrong"] as Sum[]) {
      assertUntouched(build(ends, randomBytes(random, 100), kind), CHECKSUM_COMPLETE, kind);
    }
  });
}

test("prepareVnet() describes a TCP superframe by segments of the MTU", () => {
  for (const [ends, gsoType, headers] of [[V4, 1, 52], [V6, 4, 72]] as const) {
    for (const kind of ["partial", "complete"] as const) {
      for (const length of [MTU - headers + 1, 9000, 65_535 - 72]) {
        const payload = randomBytes(random, length);
        const got = prepare(tcp(ends, payload, kind), CHECKSUM_UNKNOWN);
        assert.deepEqual([got.ok, got.flags, got.gsoType, got.hdrLen, got.gsoSize], [
          true,
          1,
          gsoType,
          headers,
          MTU - headers,
        ]);
        assert.deepEqual([got.start, got.offset], [headers - 32, 16]);
        assert.deepEqual(finish(got), tcp(ends, payload, "complete"));
      }
    }
    assert.equal(
      prepare(tcp(ends, randomBytes(random, MTU - headers), "partial"), CHECKSUM_UNKNOWN).gsoType,
      0,
    );
  }
});

test("prepareVnet() refuses a superframe whose real checksum is wrong", () => {
  for (const ends of [V4, V6]) {
    assert.equal(prepare(tcp(ends, randomBytes(random, 5001), "wrong"), CHECKSUM_UNKNOWN).ok, false);
    const damaged = tcp(ends, randomBytes(random, 5000), "complete");
    damaged[3000]! ^= 0x10;
    assert.equal(prepare(damaged, CHECKSUM_UNKNOWN).ok, false);
  }
});

test("prepareVnet() leaves UDP without a checksum and UDP above the MTU alone", () => {
  assertUntouched(udp(V4, randomBytes(random, 64), "none"), CHECKSUM_UNKNOWN, "no checksum");
  assertUntouched(udp(V4, randomBytes(random, 3000), "complete"), CHECKSUM_UNKNOWN, "above the MTU");
});

test("prepareVnet() leaves fragments alone", () => {
  const whole = udp(V4, randomBytes(random, 200), "partial").slice(20);
  for (const fragment of [MF, 10, MF | 10]) {
    for (const kind of [CHECKSUM_UNKNOWN, CHECKSUM_PARTIAL]) {
      assertUntouched(ipv4(V4, UDP, whole, { fragment }), kind, `IPv4 fragment ${fragment}`);
    }
  }
  for (const field of [0x0001, 0x0008, 0x0009]) {
    const header = Uint8Array.of(UDP, 0, 0, field, 0, 0, 0, 9);
    assertUntouched(ipv6(V6, 44, bytesOf(header, whole)), CHECKSUM_PARTIAL, `IPv6 fragment ${field}`);
  }
});

test("prepareVnet() finds TCP behind IPv4 options and IPv6 extension headers", () => {
  const body = tcp(V4, randomBytes(random, 50)).slice(20);
  const optioned = ipv4(V4, TCP, body, { options: Uint8Array.of(1, 1, 1, 1) });
  const four = prepare(optioned, CHECKSUM_PARTIAL);
  assert.deepEqual([four.flags, four.start, four.offset], [1, 24, 16]);
  const hops = Uint8Array.of(TCP, 0, 1, 4, 0, 0, 0, 0);
  const six = prepare(ipv6(V6, 0, bytesOf(hops, body)), CHECKSUM_PARTIAL);
  assert.deepEqual([six.flags, six.start, six.offset], [1, 48, 16]);
});

test("prepareVnet() gives no segment size where headers fill the MTU", () => {
  const body = tcp(V6, randomBytes(random, 500)).slice(40);
  const options = new Uint8Array(2048);
  options[0] = TCP;
  options[1] = 255;
  const got = prepare(ipv6(V6, 60, bytesOf(options, body)), CHECKSUM_PARTIAL);
  assert.deepEqual([got.ok, got.flags, got.gsoType, got.gsoSize], [true, 1, 0, 0]);
});

test("prepareVnet() leaves headers cut at every length and other protocols alone", () => {
  for (const [, build, ends, start] of CASES) {
    const whole = build(ends, randomBytes(random, 40), "partial");
    const head = build === tcp ? 32 : 8;
    for (let length = 0; length < head; length++) {
      const payload = whole.slice(start, start + length);
      const protocol = build === tcp ? TCP : UDP;
      const cut = start === 20
        ? ipv4(ends as [string, string], protocol, payload)
        : ipv6(ends as [string, string], protocol, payload);
      assertUntouched(cut, CHECKSUM_PARTIAL, `${length} bytes of transport`);
    }
  }
  assertUntouched(ipv4(V4, 1, randomBytes(random, 64)), CHECKSUM_PARTIAL, "ICMP");
  assertUntouched(ipv4(V4, 50, randomBytes(random, 64)), CHECKSUM_UNKNOWN, "ESP");
});

test("prepareVnet() of 20,000 mutated packets throws nothing and stays inside the packet", () => {
  const seed = seeded(90);
  const b = new Uint8Array(8192).fill(0xa5);
  const samples = CASES.flatMap((
    [, build, ends],
  ) => [build(ends, randomBytes(seed, 60), "partial"), build(ends, randomBytes(seed, 2000))]);
  for (let round = 0; round < 20_000; round++) {
    const packet = samples[round % samples.length]!.slice();
    for (let n = 1 + below(seed, 4); n > 0; n--) packet[1 + below(seed, 70)] = below(seed, 256);
    // The caller has decoded the IP header: the lengths agree.
    if (packet[0]! >> 4 === 4) putWord(packet, 2, packet.length);
    else putWord(packet, 4, packet.length - 40);
    b.set(packet, AT);
    prepareVnet(b, AT, packet.length, MTU, 1 + below(seed, 2));
    const end = AT + packet.length;
    assert.equal(b[end], 0xa5);
    assert.equal(b[AT - 11], 0xa5);
    if ((b[AT - 10]! & 1) === 1) {
      const field = AT + b[AT - 4]! + 256 * b[AT - 3]! + b[AT - 2]!;
      assert.ok(field + 2 <= end);
    }
    b.fill(0xa5, AT - 10, end);
  }
});
