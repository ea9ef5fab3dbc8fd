/** What tcpdump saw of a handshake, for bench/handshake_time.ts: which datagrams were it, and what came when. */
import { HANDSHAKE_LEN, IK1, IK2, XX1, XX3 } from "../src/wire/handshake.ts";
import { u32 } from "../src/wire/bytes.ts";
import { isData } from "../src/wire/data_header.ts";
import { TYPE_HANDSHAKE } from "../src/wire/datagram.ts";

const IP_UDP_LEN = 28;
const LANE_BITS = 8;

export interface Datagram {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** "10.99.0.1" */
  readonly from: string;
  readonly echoReply: boolean;
  /** UDP payload; empty for ICMP. */
  readonly payload: Uint8Array;
}

export interface Shaken {
  readonly pattern: "XX" | "IK";
  readonly datagrams: number;
  /** Since the first of them: the last, the first data on the session, the first answered ping. */
  readonly lastMs: number;
  readonly dataMs: number;
  readonly pingMs: number;
  /** From the first datagram until data of the initiator was answered by data, by how often the wire changed direction. */
  readonly roundTrips: number;
}

/** The packets in the words of `tcpdump -nn -tt -x`, whole ones only. */
export function decodeCapture(text: string): Datagram[] {
  return text.split(/\n(?=\d+\.\d+ )/).slice(0, -1).flatMap((packet) => {
    const head = packet.split("\n", 1)[0]!;
    const from = / IP (\d+\.\d+\.\d+\.\d+)/.exec(head)?.[1];
    if (from === undefined) return [];
    const lines = [...packet.matchAll(/0x[0-9a-f]+: {2}([0-9a-f ]+)/g)];
    const hex = lines.map((line) => line[1]!.replaceAll(" ", "")).join("");
    const bytes = Uint8Array.from(hex.match(/../g) ?? [], (two) => parseInt(two, 16));
    const udp = head.includes(" UDP,");
    return [{
      at: Number.parseFloat(packet) * 1000,
      from,
      echoReply: head.includes("ICMP echo reply"),
      payload: udp ? bytes.subarray(IP_UDP_LEN) : new Uint8Array(0),
    }];
  });
}

/** The first handshake that was followed by data on its session; null: none yet, or no ping was answered after it. */
export function shaken(all: readonly Datagram[]): Shaken | null {
  for (const [i, last] of all.entries()) {
    const message = messageOf(last);
    if (message !== XX3 && message !== IK2) continue;
    const [ours, theirs] = message === XX3 ? [4, 8] : [8, 4];
    const initiator = u32(last.payload, ours), responder = u32(last.payload, theirs);
    const first = all.find((d) =>
      messageOf(d) === (message === XX3 ? XX1 : IK1) && u32(d.payload, 4) === initiator
    );
    if (first === undefined) continue;
    const later = all.slice(i + 1);
    const data = later.find((d) => isOn(d, responder) || isOn(d, initiator));
    const question = later.find((d) => isOn(d, responder));
    const answer = later.slice(later.indexOf(question!)).find((d) => isOn(d, initiator));
    const ping = later.find(({ echoReply }) => echoReply);
    if (data === undefined || question === undefined || answer === undefined || ping === undefined) {
      return null;
    }
    const between = all.slice(all.indexOf(first), i + 1).filter((d) =>
      messageOf(d) >= 0 && [u32(d.payload, 4), u32(d.payload, 8)].includes(initiator)
    );
    const directions = [...between, question, answer].map(({ from }) => from);
    return {
      pattern: message === XX3 ? "XX" : "IK",
      datagrams: between.length,
      lastMs: last.at - first.at,
      dataMs: data.at - first.at,
      pingMs: ping.at - first.at,
      roundTrips: directions.filter((from, n) => from !== directions[n - 1]).length / 2,
    };
  }
  return null;
}

/** Its message, or −1: it is no handshake. */
function messageOf({ payload }: Datagram): number {
  return payload.length > HANDSHAKE_LEN && payload[0] === TYPE_HANDSHAKE ? payload[2]! : -1;
}

/** Whether it is data for whoever gave out this index, on whatever lane. */
function isOn({ payload }: Datagram, index: number): boolean {
  return payload.length > HANDSHAKE_LEN && isData(payload[0]!) &&
    u32(payload, 4) >>> LANE_BITS === index >>> LANE_BITS;
}
