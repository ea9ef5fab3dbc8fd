/**
 * The decoders of fixed headers: what they accept lies within the packet, whatever follows stays within it, and what is
 * written in answer is well-formed.
 */

import assert from "node:assert/strict";
import { checksum } from "../../src/wire/checksum.ts";
import * as arp from "../../src/wire/arp.ts";
import * as data from "../../src/wire/data_header.ts";
import * as datagram from "../../src/wire/datagram.ts";
import * as ethernet from "../../src/wire/ethernet.ts";
import * as icmp from "../../src/wire/icmp.ts";
import * as ipv4 from "../../src/wire/ipv4.ts";
import * as ipv6 from "../../src/wire/ipv6.ts";
import * as nftables from "../../src/wire/nftables.ts";
import { prefix } from "../../src/wire/prefix.ts";
import * as tcp from "../../src/wire/tcp.ts";
import * as udp from "../../src/wire/udp.ts";
import * as vxlan from "../../src/wire/vxlan.ts";
import { bytesOf, tcp as tcpPacket, udp as udpPacket } from "../made/packets.ts";
import { wantedTable } from "../../src/host/packet_rules.ts";
import { hex, untouchedOutside } from "../made/seeded.ts";
import { fuzz, tellCases } from "./campaign.ts";
import { INPUT_MAX } from "./mutator.ts";

const MAC = hex("020000000001");
const V4: [string, string] = ["10.42.1.5", "10.42.2.9"];
const V6: [string, string] = ["fd42:1::5", "fd42:2::9"];
const PAYLOAD = new Uint8Array(64).fill(7);
const PACKETS4 = [tcpPacket(V4, PAYLOAD), udpPacket(V4, PAYLOAD)];
const PACKETS6 = [tcpPacket(V6, PAYLOAD), udpPacket(V6, PAYLOAD)];
/** Hop-by-hop options, routing, an atomic fragment header and destination options before UDP. */
const CHAIN = bytesOf(
  hex("60000000 0030 00 40"),
  PACKETS6[0]!.slice(8, 40),
  hex(
    "2b00000000000000 2c00000000000000 3c00000000000007 1100000000000000 0035003500100000 0102030405060708",
  ),
);
const FRAME = bytesOf(MAC, MAC, hex("0800"), PACKETS4[0]!);
const ARP = hex("0001 0800 06 04 0001 020000000002 c0a80101 000000000000 c0a80102");

const CHAIN_OF = { name: "c", type: "filter", hook: "forward", priority: 0 } as const;

const out = new Uint8Array(2 * INPUT_MAX);
const AT = 8;

/** Runs an encoder over a dirty buffer: the bytes it wrote; it may write none beyond them. */
function written(encode: (b: Uint8Array, at: number) => number): Uint8Array {
  out.fill(0xa5);
  const length = encode(out, AT);
  assert.ok(untouchedOutside(out.subarray(0, AT + length + 16), AT, AT + length));
  return out.slice(AT, AT + length);
}

fuzz({
  name: "nftables table",
  genuine: ["10.42.0.0/16", "fd42::/48"].flatMap((text) => {
    const network = prefix(text);
    const table = wantedTable({ network, subnet: network, masquerade: true, clampMss: true })!;
    return nftables.tableMessages(table).map(({ payload }) => payload.slice());
  }),
  start: () => (b) => {
    const table = nftables.decodeTable(b), chain = nftables.decodeChain(b), rule = nftables.decodeRule(b);
    if (table === null) return null;
    if (rule === null) return chain === null ? "table" : `chain ${chain.type}`;
    const { comment, expressions } = rule.rule;
    if (expressions === null) return "rule of others";
    const again = { ...rule.table, chains: [{ ...CHAIN_OF, rules: [{ comment: "", expressions }] }] };
    const { payload } = nftables.tableMessages(again).at(-1)!;
    assert.deepEqual(nftables.decodeRule(payload)!.rule.expressions, expressions);
    return `${expressions.map(({ kind }) => kind).join()} ${comment === ""}`;
  },
});

fuzz({
  name: "path probe",
  genuine: [0, 1].map((kind) => {
    const b = new Uint8Array(40);
    datagram.encodeProbe(b, 0, 7, 1, 2, 2 ** 40);
    b[2] = kind;
    return b.slice(0, 32 + 8 * kind);
  }),
  start: () => (b) => {
    const kind = datagram.decodeProbe(b, 0, b.length);
    if (kind < 0) return null;
    assert.ok(Number.isFinite(datagram.probeTime(b, 0)));
    const [index, high, low] = [
      datagram.probeIndex(b, 0),
      datagram.probeNonceHigh(b, 0),
      datagram.probeNonceLow(b, 0),
    ];
    const tail = b.slice(datagram.PROBE_LEN);
    assert.ok(datagram.answerProbe(b, 0, index) <= b.length);
    assert.deepEqual([datagram.probeNonceHigh(b, 0), datagram.probeNonceLow(b, 0)], [high, low]);
    assert.deepEqual(b.slice(datagram.PROBE_LEN), tail);
    return kind;
  },
});

fuzz({
  name: "data header",
  genuine: [0, 1, 5, 9].map((flags) => {
    const b = new Uint8Array(60);
    data.encodeData(b, 0, flags, 5, 0xbb000100, 2 ** 40);
    return b;
  }),
  start: () => (b) => {
    const flags = data.decodeData(b, 0, b.length);
    if (flags < 0) return null;
    const counter = data.dataCounter(b, 0);
    assert.ok(counter >= -1 && counter < 2 ** 53);
    if (counter < 0) return `${flags} counter`;
    const again = new Uint8Array(data.DATA_LEN);
    data.encodeData(again, 0, flags, data.dataVni(b, 0), data.dataIndex(b, 0), counter);
    assert.deepEqual(again, b.slice(0, data.DATA_LEN));
    return flags;
  },
});

fuzz({
  name: "VXLAN",
  genuine: [bytesOf(hex("08000000 000001 00"), FRAME)],
  start: () => (b) => {
    const vni = vxlan.decodeVxlan(b, 0, b.length);
    if (vni < 0) return null;
    assert.ok(vni <= vxlan.MAX_VNI && b.length >= vxlan.VXLAN_LEN);
    return Math.clz32(vni);
  },
});

fuzz({
  name: "Ethernet",
  genuine: [FRAME],
  start: () => (b) => {
    const type = ethernet.decodeEthernet(b, 0, b.length);
    if (type < 0) return null;
    assert.equal(type, ethernet.etherType(b, 0));
    if (ethernet.isBroadcastMac(b, 0)) assert.ok(ethernet.isMulticastMac(b, 0));
    return `${ethernet.macEquals(b, 0, MAC)} ${type === ethernet.ETHERTYPE_IPV4}`;
  },
});

fuzz({
  name: "ARP",
  genuine: [ARP],
  start: () => (b) => {
    if (arp.decodeArpRequest(b, 0, b.length) < 0) return null;
    const [asker, asked] = [arp.arpSenderIp(b, 0), arp.arpTargetIp(b, 0)];
    const reply = written((o, at) => arp.encodeArpReply(o, at, b, 0, MAC));
    assert.equal(reply.length, arp.ARP_LEN);
    assert.deepEqual([arp.arpTargetIp(reply, 0), arp.arpSenderIp(reply, 0)], [asker, asked]);
    return Math.clz32(asker);
  },
});

fuzz({
  name: "IPv4",
  genuine: PACKETS4,
  start: () => (b) => {
    const header = ipv4.decodeIpv4(b, 0, b.length);
    if (header < 0) return null;
    assert.ok(header >= ipv4.IPV4_MIN_LEN && header <= ipv4.IPV4_MAX_HEADER_LEN);
    assert.equal(header, ipv4.ipv4HeaderLength(b, 0));
    assert.ok(ipv4.ipv4TotalLength(b, 0) >= header && ipv4.ipv4TotalLength(b, 0) <= b.length);
    const fragment = ipv4.ipv4MoreFragments(b, 0) || ipv4.ipv4FragmentOffset(b, 0) > 0;
    assert.equal(ipv4.ipv4IsFragment(b, 0), fragment);
    ipv4.fixIpv4Checksum(b, 0);
    assert.ok(ipv4.ipv4HeaderOk(b, 0));
    return `${header} ${fragment}`;
  },
});

fuzz({
  name: "IPv6",
  genuine: [...PACKETS6, CHAIN],
  start: () => (b) => {
    const header = ipv6.decodeIpv6(b, 0, b.length);
    if (header < 0) return null;
    const end = ipv6.ipv6TotalLength(b, 0);
    assert.ok(end <= b.length);
    const fragmentAt = ipv6.ipv6FragmentAt(b, 0, b.length);
    assert.ok(fragmentAt === -1 || (fragmentAt >= ipv6.IPV6_LEN && fragmentAt + 8 <= end), `${fragmentAt}`);
    const transportAt = ipv6.ipv6Transport(b, 0, b.length);
    if (transportAt < 0) return `cut ${fragmentAt} ${ipv6.ipv6IsFragment(b, 0, b.length)}`;
    assert.ok(transportAt >= ipv6.IPV6_LEN && transportAt <= end);
    return `${transportAt} ${ipv6.ipv6TransportProtocol(b, 0, transportAt)}`;
  },
});

fuzz({
  name: "TCP",
  genuine: [PACKETS4[0]!.slice(20)],
  start: () => (b) => {
    const header = tcp.decodeTcp(b, 0, b.length);
    if (header < 0) return null;
    assert.ok(header >= tcp.TCP_MIN_LEN && header <= 60 && header <= b.length);
    assert.equal(header, tcp.tcpHeaderLength(b, 0));
    tcp.putTcpSequence(b, 0, tcp.tcpSequence(b, 0) + 0xffffffff);
    return `${header} ${tcp.tcpFlags(b, 0)}`;
  },
});

fuzz({
  name: "UDP",
  genuine: [PACKETS4[1]!.slice(20)],
  start: () => (b) => {
    const header = udp.decodeUdp(b, 0, b.length);
    if (header < 0) return null;
    assert.ok(udp.udpLength(b, 0) >= udp.UDP_LEN && udp.udpLength(b, 0) <= b.length);
    return Math.clz32(udp.udpLength(b, 0));
  },
});

fuzz({
  name: "ICMP echo",
  genuine: [0, 8, 128, 129].map((type) => {
    const b = new Uint8Array(32);
    return b.slice(
      0,
      icmp.encodeEcho(b, 0, { type, identifier: 1, sequence: 2, payload: PAYLOAD.slice(0, 9) }),
    );
  }),
  start: () => (b) => {
    const echo = icmp.decodeEcho(b, 0, b.length);
    if (echo === null) return null;
    const again = written((o, at) => icmp.encodeEcho(o, at, echo));
    assert.deepEqual(icmp.decodeEcho(again, 0, again.length), echo);
    return `${echo.type} ${Math.clz32(echo.payload.length)}`;
  },
});

fuzz({
  name: "ICMP errors about IPv4",
  genuine: [
    ...PACKETS4,
    hex("45000054 00004000 4001 0000 0a2a0105 0a2a0209"),
    bytesOf(FRAME.slice(14), PAYLOAD),
  ],
  start: () => (b) => {
    const error = { type: icmp.ICMP_UNREACHABLE, code: 4, mtu: 1400, source: 0x0a2a0101 };
    const made = written((o, at) => icmp.encodeIcmpError4(o, at, error, b));
    if (made.length === 0) return null;
    assert.ok(made.length <= icmp.ICMP_ERROR4_MAX);
    assert.equal(ipv4.decodeIpv4(made, 0, made.length), 20);
    assert.ok(ipv4.ipv4HeaderOk(made, 0));
    assert.equal(ipv4.ipv4TotalLength(made, 0), made.length);
    assert.equal(checksum(made, 20, made.length - 20), 0);
    assert.equal(ipv4.ipv4Destination(made, 0), ipv4.ipv4Source(b, 0));
    return Math.clz32(made.length);
  },
});

fuzz({
  name: "ICMP errors about IPv6",
  genuine: [...PACKETS6, CHAIN],
  start: () => (b) => {
    const error = {
      type: icmp.ICMPV6_PACKET_TOO_BIG,
      code: 0,
      mtu: 1400,
      source: hex("fd42".padEnd(32, "0")),
    };
    const made = written((o, at) => icmp.encodeIcmpError6(o, at, error, b));
    if (made.length === 0) return null;
    assert.ok(made.length <= icmp.ICMP_ERROR6_MAX);
    assert.equal(ipv6.decodeIpv6(made, 0, made.length), ipv6.IPV6_LEN);
    assert.equal(ipv6.ipv6TotalLength(made, 0), made.length);
    return Math.clz32(made.length);
  },
});

tellCases();
