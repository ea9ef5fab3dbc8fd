/**
 * `HOST COUNT PORT…`: random and truncated datagrams at every port, made from a seed. Run by the live tests,
 * inside hosts.
 */
import { createSocket } from "node:dgram";
import process from "node:process";

const [host, count, ...ports] = process.argv.slice(2);
let state = 0x9e3779b9;

function below(limit: number): number {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % limit;
}

/** Beginnings that get further than the first byte: every type of ours, VXLAN with our VNI, IPv4 and IPv6. */
const BEGINNINGS = [
  [],
  [0x01, 0x01],
  [0x02],
  [0x03, 0x01],
  [0x10 + below(16), 0, 0, 0],
  [0x11, 0, 0, 0],
  [0x15, 0, 0, 0, 0, 0, 0, 1],
  [0x20, 0x01],
  [0x21, 0x01],
  [0x21, 0x01, 0x85, 0xa1],
  [0x30],
  [0x08, 0, 0, 0, 0, 0, 1, 0],
  [0x08, 0, 0, 0, 0, 0, 1, 0, 2, 0x42, 0, 0, 0, 0, 2, 0x42, 0, 0, 0, 1, 0x08, 0x00, 0x45],
  [0x08, 0, 0, 0, 0, 0, 1, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0x42, 0, 0, 0, 1, 0x08, 0x06],
  [0x45, 0],
  [0x60],
];

const socket = createSocket("udp4");
let sent = 0;

function burst(): void {
  for (let i = 0; i < 50 && sent < Number(count); i++, sent++) {
    const beginning = BEGINNINGS[below(BEGINNINGS.length)]!;
    const bytes = Uint8Array.from({ length: below(4) === 0 ? below(1400) : below(80) }, () => below(256));
    bytes.set(beginning.slice(0, bytes.length));
    socket.send(bytes, Number(ports[sent % ports.length]), host);
  }
  if (sent < Number(count)) setTimeout(burst, 2);
  else setTimeout(() => socket.close(), 100);
}
burst();
