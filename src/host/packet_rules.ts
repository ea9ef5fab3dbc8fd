/**
 * The packet filter rules that a node has on its host, as data: for each network of the mesh a table of ours, named after
 * it. `--ip-masq` is flannel's (pkg/trafficmngr): what leaves the network gets the address of the interface that it leaves
 * by, and what enters it from elsewhere that of our device, so that the answer finds back. Pure; reconcile_rules.ts brings
 * the host there.
 */

import type { Chain, Rule, Table, TableFamily } from "../wire/nftables.ts";
import type { Expression } from "../wire/nft_expression.ts";
import { isIpv4 } from "../wire/address.ts";
import { toHex } from "../wire/bytes.ts";
import { IPV4_BITS_AT, parsePrefix, type Prefix, prefix } from "../wire/prefix.ts";

/** What the names of our tables begin with. */
export const OWN_TABLES = "ovltun-";
/** NF_IP_PRI_NAT_SRC, NF_IP_PRI_MANGLE */
const SOURCE_NAT = 100;
const MANGLE = -150;
/** kube-proxy sets it where it masquerades itself. */
const KUBE_MARK = "00400000"; // 0x4000 in the machine's order
const MULTICAST = { ip: prefix("224.0.0.0/4"), ip6: prefix("ff00::/8") } as const;
const PROTOCOL_TCP = "06";
const TCP_FLAGS_AT = 13;
const SYN_RST = "06";
const SYN = "02";

/** What is asked for in one network of the mesh. */
export interface WantedRules {
  readonly network: Prefix;
  /** Our lease in it. */
  readonly subnet: Prefix;
  readonly masquerade: boolean;
  /** Somewhere a path takes less than the links of the host. */
  readonly clampMss: boolean;
}

/** The name of the table for a network, such that nft(8) reads it back: "ovltun-10.42.0.0/16", "ovltun-fd42__/48". */
export function tableName(network: Prefix): string {
  return OWN_TABLES + network.text.replaceAll(":", "_");
}

/** The network that a table of ours is for; null: the name is none that we give. */
export function networkOfTable(name: string): Prefix | null {
  const network = name.startsWith(OWN_TABLES)
    ? parsePrefix(name.slice(OWN_TABLES.length).replaceAll("_", ":"))
    : null;
  return network !== null && tableName(network) === name ? network : null;
}

/** Null: nothing is asked for, and there is to be no table. */
export function wantedTable(wanted: WantedRules): Table | null {
  const family = isIpv4(wanted.network.address) ? "ip" : "ip6";
  const chains = [
    ...wanted.masquerade ? [postrouting(family, wanted)] : [],
    ...wanted.clampMss ? [forward(family, wanted)] : [],
  ];
  return chains.length === 0 ? null : { family, name: tableName(wanted.network), chains };
}

/** A connection is looked at once, with its first packet. */
function postrouting(family: TableFamily, { network, subnet }: WantedRules): Chain {
  const from = (equal: boolean) => lies(family, "source", network, equal);
  const to = (range: Prefix, equal: boolean) => lies(family, "destination", range, equal);
  const leave = { kind: "verdict", verdict: "return" } as const;
  const masquerade = [{ kind: "counter" }, { kind: "masquerade" }] as const;
  const rules: Rule[] = [
    {
      comment: "kube-proxy masquerades it",
      expressions: [
        { kind: "meta", key: "mark" },
        { kind: "mask", bits: KUBE_MARK },
        { kind: "compare", equal: true, to: KUBE_MARK },
        leave,
      ],
    },
    { comment: "inside the mesh", expressions: [...from(true), ...to(network, true), leave] },
    {
      comment: "to the own subnet: NodePort keeps its source",
      expressions: [...from(false), ...to(subnet, true), leave],
    },
    {
      comment: "leaves the mesh",
      expressions: [...from(true), ...to(MULTICAST[family], false), ...masquerade],
    },
    { comment: "enters the mesh", expressions: [...from(false), ...to(network, true), ...masquerade] },
  ];
  return { name: "postrouting", type: "nat", hook: "postrouting", priority: SOURCE_NAT, rules };
}

/** Both ends of a connection say how much they take, each in its first packet. */
function forward(family: TableFamily, { network }: WantedRules): Chain {
  const clamp: Expression[] = [
    { kind: "meta", key: "l4proto" },
    { kind: "compare", equal: true, to: PROTOCOL_TCP },
    { kind: "payload", base: "transport", offset: TCP_FLAGS_AT, length: 1 },
    { kind: "mask", bits: SYN_RST },
    { kind: "compare", equal: true, to: SYN },
    { kind: "route mss" },
    { kind: "hton" },
    { kind: "set mss" },
  ];
  const rules = (["source", "destination"] as const).map((end) => ({
    comment: end === "source" ? "segments that fit, from the mesh" : "segments that fit, to the mesh",
    expressions: [...lies(family, end, network, true), ...clamp],
  }));
  return { name: "forward", type: "filter", hook: "forward", priority: MANGLE, rules };
}

/** Ends the rule unless an address of the packet lies in a range, or does not. */
function lies(
  family: TableFamily,
  end: "source" | "destination",
  range: Prefix,
  equal: boolean,
): Expression[] {
  const [length, source, skipped] = family === "ip" ? [4, 12, IPV4_BITS_AT] : [16, 8, 0];
  const offset = end === "source" ? source : source + length;
  const address = range.address.subarray(16 - length), bits = range.length - skipped;
  const load = { kind: "payload", base: "network", offset, length } as const;
  if (bits > 0 && bits % 8 === 0) {
    const whole = bits / 8;
    const to = toHex(address.subarray(0, whole));
    return [{ ...load, length: whole }, { kind: "compare", equal, to }];
  }
  const compare = { kind: "compare", equal, to: toHex(address) } as const;
  const kept = Array.from({ length }, (_, i) => 0xff00 >>> Math.min(8, Math.max(0, bits - 8 * i)) & 0xff);
  return [load, { kind: "mask", bits: toHex(Uint8Array.from(kept)) }, compare];
}
