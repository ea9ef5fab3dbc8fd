/**
 * UDP datagrams of this network namespace that the kernel took from a program and dropped before they left: for want of an entry
 * in its neighbour table, or of room in a queue. A socket without IP_RECVERR is not told; these counters are.
 */
import { readFileSync } from "node:fs";

/** Of IPv4 and IPv6, since the namespace is there; 0 where the kernel does not tell. */
export function unsentDatagrams(directory = "/proc/thread-self/net"): number {
  return fromTable(textOf(`${directory}/snmp`)) + fromLines(textOf(`${directory}/snmp6`));
}

// "Udp: InDatagrams … SndbufErrors …", and the numbers in a line of their own.
function fromTable(text: string): number {
  const [names = [], values = []] = text.split("\n").filter((line) => line.startsWith("Udp: ")).map((line) =>
    line.split(" ")
  );
  return numberOf(values[names.indexOf("SndbufErrors")]);
}

function fromLines(text: string): number {
  return numberOf(/^Udp6SndbufErrors\s+(\d+)$/m.exec(text)?.[1]);
}

function numberOf(text: string | undefined): number {
  const value = Number(text ?? 0);
  return Number.isSafeInteger(value) ? value : 0;
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // no /proc, or no IPv6
  }
}
