/**
 * `ovltun doctor`: what a host has that a mesh needs, or that stands in its way. Each check looks at facts that were read
 * before and changes nothing; what it finds has the evidence, and where something is to be done the command for it, to be
 * pasted as root. Pure; commands/doctor.ts reads the facts.
 */

import type { InterfaceAddress, NetworkInterface, Route } from "../ports/host.ts";
import type { ChainFacts } from "../wire/nftables.ts";
import { isIpv4 } from "../wire/address.ts";
import { isInside, overlaps, parsePrefix, type Prefix, prefix } from "../wire/prefix.ts";
import { describeRoute, interfaceName } from "./describe.ts";
import { interfaceRole } from "./interface_roles.ts";
import { isSink, overlappingRoutes } from "./overlap.ts";
import { addressAlone, ROUTE_PROTOCOL } from "./owned.ts";

/** `fail`: a node cannot run, or cannot be reached. `warn`: something that people miss does not work. `note`: to be known. */
export type Verdict = "ok" | "note" | "warn" | "fail";

export interface Finding {
  readonly check: string;
  readonly verdict: Verdict;
  readonly evidence: string;
  /** A command, or null where nothing is to be done. */
  readonly remedy: string | null;
}

/** The host as it was read. */
export interface HostFacts {
  /** CAP_NET_ADMIN is ours. */
  readonly mayConfigure: boolean;
  /** What the TUN device takes, or why there is none. */
  readonly tun: { readonly offloads: readonly string[] } | { readonly error: string };
  /** What the kernel got wrong in trains on loopback, or why they were not tested. */
  readonly trains: { readonly outcome: string; readonly failed: readonly string[] };
  readonly setting: (path: string) => string | null;
  readonly interfaces: readonly NetworkInterface[];
  readonly addresses: readonly InterfaceAddress[];
  readonly routes: readonly Route[];
  /** Our device by its name, whether it is there or not. */
  readonly device: string;
  /** Those of the mesh, as far as they are known, and our leases in them. */
  readonly networks: readonly Prefix[];
  readonly leases: readonly Prefix[];
  /** Ports that a daemon would take, but for those that one has. */
  readonly ports: readonly { readonly port: number; readonly holder: string | null }[];
  readonly chains: readonly ChainFacts[];
  readonly docker: { readonly version: string; readonly backend: string } | null;
  /** Whether the kernel's clock is synchronised; null: unknown. */
  readonly synchronised: boolean | null;
}

type Check = (facts: HostFacts) => readonly Finding[];

const found = (check: string, verdict: Verdict, evidence: string, remedy: string | null = null): Finding => ({
  check,
  verdict,
  evidence,
  remedy,
});

/** Of texts; what is none is left out. */
export function prefixesIn(...texts: readonly (string | null | undefined)[]): Prefix[] {
  return texts.map((text) => text == null ? null : parsePrefix(text)).filter((one) => one !== null);
}

/** All of them, in the order in which they matter. */
export function examine(facts: HostFacts): Finding[] {
  return CHECKS.flatMap((check) => check(facts));
}

const tun: Check = ({ tun }) => {
  if ("error" in tun) {
    const remedy = "modprobe tun; mkdir -p /dev/net; [ -c /dev/net/tun ] || mknod /dev/net/tun c 10 200";
    return [found("tun", "fail", tun.error, remedy)];
  }
  const with_ = tun.offloads.length === 0 ? "without offloads" : `with ${tun.offloads.join(", ")}`;
  return [found("tun", "ok", `/dev/net/tun makes devices ${with_}`)];
};

const rights: Check = ({ mayConfigure }) => [
  mayConfigure
    ? found("rights", "ok", "CAP_NET_ADMIN")
    : found("rights", "fail", "This process lacks CAP_NET_ADMIN", "sudo ovltun doctor"),
];

const offloads: Check = ({ trains: { outcome, failed } }) => {
  if (outcome === "passed") return [found("offloads", "ok", "trains of datagrams pass the self-test")];
  if (outcome !== "failed") {
    return [found("offloads", "note", "not tested: loopback is down", "ip link set lo up")];
  }
  return [
    found("offloads", "warn", `this kernel gets ${failed.join(", ")} wrong; ovltun does without, and slower`),
  ];
};

const forwarding: Check = ({ setting, networks }) => {
  const wanted = [["IPv4", "net/ipv4/ip_forward"]];
  if (networks.some(({ address }) => !isIpv4(address))) wanted.push(["IPv6", "net/ipv6/conf/all/forwarding"]);
  return wanted.map(([family, path]) =>
    setting(path!) === "1" ? found("forwarding", "ok", `${family} is forwarded`) : found(
      "forwarding",
      "warn",
      `${family} is not forwarded: containers of this host do not reach the mesh (ovltun up --forward sets it, too)`,
      `sysctl -w ${path!.replaceAll("/", ".")}=1`,
    )
  );
};

/** With 1, what comes by another link than the way back would take is dropped, without a word. */
const sourceCheck: Check = ({ setting, interfaces, device }) => {
  const of = (name: string) => Number(setting(`net/ipv4/conf/${name}/rp_filter`) ?? 0);
  const strict = interfaces.filter((one) => {
    const role = interfaceRole(one, interfaces, device);
    return (role === "lan" || role === "own") && Math.max(of("all"), of(one.name)) === 1;
  }).map(({ name }) => name);
  if (strict.length === 0) {
    return [found("source check", "ok", "rp_filter is strict on no interface to others")];
  }
  const remedy = ["all", ...strict].map((name) => `net.ipv4.conf.${name}.rp_filter=2`).join(" ");
  return [
    found(
      "source check",
      "note",
      `rp_filter is strict on ${strict.join(", ")}: a direct route that only one side uses is dropped there`,
      `sysctl -w ${remedy}`,
    ),
  ];
};

const OUTER_MIN = 1280;
const mtu: Check = ({ interfaces, addresses, leases, device }) => {
  const own = interfaces.find(({ name }) => name === device);
  const small = interfaces.filter((one) =>
    interfaceRole(one, interfaces, device) === "lan" && one.mtu < OUTER_MIN
  )
    .map(({ name, mtu }) =>
      found("mtu", "note", `${name} takes ${mtu} bytes only: too little for IPv6 inside the mesh`)
    );
  const wide = own === undefined
    ? []
    : interfaces.filter((one) =>
      one.kind === "bridge" && one.mtu > own.mtu &&
      addresses.some((a) => a.iface === one.index && leases.some((lease) => isInside(addressAlone(a), lease)))
    ).map(({ name, mtu }) =>
      found(
        "mtu",
        "warn",
        `The bridge ${name} takes ${mtu} bytes, the mesh ${own.mtu}: what is larger depends on ICMP`,
        `ip link set dev ${name} mtu ${own.mtu}`,
      )
    );
  const both = [...small, ...wide];
  return both.length > 0
    ? both
    : [found("mtu", "ok", own === undefined ? "links take 1280 bytes" : `${device} has ${own.mtu}`)];
};

const ports: Check = ({ ports }) =>
  ports.map(({ port, holder }) => {
    if (holder === null) return found("ports", "ok", `${port}/udp is free, or ours`);
    const device = /device (\S+)$/.exec(holder)?.[1], pid = /\(pid (\d+)\)$/.exec(holder)?.[1];
    const remedy = device !== undefined ? `ip link del ${device}` : pid !== undefined ? `kill ${pid}` : null;
    return found("ports", "fail", `${port}/udp is held by ${holder} (or use another --port)`, remedy);
  });

const overlap: Check = (facts) => {
  const { interfaces, networks, device } = facts;
  if (networks.length === 0) return [found("overlap", "note", "no mesh yet: a founder picks a free network")];
  const own = interfaces.find(({ name }) => name === device)?.index ?? null;
  const otherDevices = interfaces.filter(({ kind, index }) => kind === "tun" && index !== own).map((one) =>
    one.index
  );
  const theirs = networks.flatMap((network) =>
    overlappingRoutes(facts.routes, facts.addresses, network, {
      protocol: ROUTE_PROTOCOL,
      device: own,
      subnet: facts.leases.find((lease) => isInside(lease, network)) ?? null,
      otherDevices,
    }).filter((route) => !isSink(route))
  );
  // BOUNDED: by the routes that overlap.
  const texts = new Map(theirs.map((route) => [describeRoute(route, interfaces), route]));
  if (texts.size === 0) {
    return [found("overlap", "ok", `nothing of this host is in ${networks.join(" or ")}`)];
  }
  return [...texts].map(([text, { destination, iface }]) => {
    const name = iface === null ? null : interfaceName(iface, interfaces);
    const remedy = name === null ? `ip route del ${destination}` : `ip route del ${destination} dev ${name}`;
    return found("overlap", "warn", `The route ${text} hides a part of the mesh`, remedy);
  });
};

/** Whose chain it is that drops what is forwarded. */
const firewall: Check = ({ chains, networks, docker }) => {
  const dropping = chains.filter(({ hook, drops }) => hook === "forward" && drops);
  const own = dropping.filter(({ table }) => table !== "firewalld");
  if (own.length === 0) return [found("firewall", "ok", "no chain drops forwarded packets by its policy")];
  return own.flatMap(({ family, table, name }) => {
    const inside = networks.filter(({ address }) =>
      family === "inet" || isIpv4(address) === (family === "ip")
    );
    const evidence = `The chain ${family} ${table} ${name} drops forwarded packets that no rule accepts`;
    const rules = inside.flatMap((network) =>
      [["-s", "saddr"], ["-d", "daddr"]].map(([flag, end]) => {
        const [tool, words] = isIpv4(network.address) ? ["iptables", "ip"] : ["ip6tables", "ip6"];
        if (table !== "filter" || name !== "FORWARD") {
          return `nft insert rule ${family} ${table} ${name} ${words} ${end} ${network} accept`;
        }
        const chain = docker !== null ? "DOCKER-USER" : "FORWARD";
        return `${tool} -I ${chain} ${flag} ${network} -j ACCEPT`;
      })
    );
    return [found("firewall", "warn", evidence, rules.length === 0 ? null : rules.join(" && "))];
  });
};

/** From 28 on it drops, in the raw table, what reaches a container by another interface than its bridge. */
const dockerd: Check = ({ docker, networks, leases }) => {
  if (docker === null) return [];
  const { version, backend } = docker;
  const evidence = `Docker ${version}, firewall by ${backend}`;
  const four = networks.find(({ address }) => isIpv4(address));
  const lease = leases.find(({ address }) => isIpv4(address));
  if (Number(version.split(".")[0]) < 28 || four === undefined || lease === undefined) {
    return [found("docker", "ok", evidence)];
  }
  const rule = `PREROUTING -s ${four} -d ${lease} -j ACCEPT`;
  return [
    found(
      "docker",
      "note",
      `${evidence}: it drops what comes to containers by another interface than their bridge`,
      `iptables -t raw -C ${rule} 2>/dev/null || iptables -t raw -I ${rule}`,
    ),
  ];
};

const firewalld: Check = ({ chains, device }) =>
  chains.some(({ table }) => table === "firewalld")
    ? [
      found(
        "firewalld",
        "warn",
        `firewalld rules here, and rejects what comes by ${device} unless a zone accepts it`,
        `firewall-cmd --permanent --zone=trusted --add-interface=${device} && firewall-cmd --reload`,
      ),
    ]
    : [];

const ufw: Check = ({ chains, device, ports }) =>
  chains.some(({ name }) => name.startsWith("ufw-"))
    ? [
      found(
        "ufw",
        "warn",
        "ufw rules here: what comes by the mesh, and what is forwarded, needs a rule of its own",
        `ufw allow ${
          ports[0]?.port ?? 8473
        }/udp && ufw allow in on ${device} && ufw route allow in on ${device} && ` +
          `ufw route allow out on ${device}`,
      ),
    ]
    : [];

const TAILNET = prefix("100.64.0.0/10");
const vpns: Check = ({ interfaces, networks, device }) =>
  interfaces.flatMap((one) => {
    const named = /^(tailscale|nebula|wg|zt|tinc)/.exec(one.name)?.[1];
    if (one.name === device || (one.kind !== "wireguard" && named === undefined)) return [];
    const what = one.name.startsWith("tailscale") ? "Tailscale" : one.kind ?? named!;
    const clash = what === "Tailscale" && networks.some((network) => overlaps(network, TAILNET));
    const evidence = `${one.name} (${what}, MTU ${one.mtu}) is another VPN of this host`;
    return clash
      ? [
        found(
          "vpn",
          "fail",
          `${evidence}, and has 100.64.0.0/10, in which the mesh is: found it elsewhere (--network)`,
        ),
      ]
      : [found("vpn", "note", evidence)];
  });

const clock: Check = ({ synchronised }) =>
  synchronised === false
    ? [found("clock", "note", "The clock is not synchronised: tokens end by it", "timedatectl set-ntp true")]
    : [found("clock", "ok", synchronised === null ? "not known" : "synchronised")];

const CHECKS: readonly Check[] = [
  tun,
  rights,
  offloads,
  ports,
  overlap,
  forwarding,
  firewall,
  firewalld,
  ufw,
  dockerd,
  mtu,
  sourceCheck,
  vpns,
  clock,
];
