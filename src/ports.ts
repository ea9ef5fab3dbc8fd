/**
 * The interfaces between the parts of ovltun. Nothing here runs: whoever decides imports this file,
 * `sys/` implements it, tests stand in for it with fakes. Addresses, prefixes and endpoints cross these
 * interfaces as canonical text ("10.42.7.0", "10.42.7.0/24", "[fd00::1]:8473"; see wire/address.ts).
 */

/** Time as an argument. `now` is monotonic, in milliseconds; `wall` is Unix time in milliseconds, for people. */
export interface Clock {
  now(): number;
  wall(): number;
}

/** Randomness as an argument. */
export interface Random {
  /** `length` unpredictable bytes. */
  bytes(length: number): Uint8Array;
  /** A uniform integer in [0, limit). */
  below(limit: number): number;
}

// ---------------------------------------------------------------------------------------------- the host

/** A network interface as rtnetlink shows it. */
export interface Link {
  readonly index: number;
  readonly name: string;
  /** IFLA_INFO_KIND: "veth", "bridge", "vxlan", "tun", …; null for plain hardware. */
  readonly kind: string | null;
  readonly mtu: number;
  readonly up: boolean;
  readonly loopback: boolean;
  /** True where neighbours have no link address to ask for (IFF_NOARP, IFF_POINTOPOINT): tun, WireGuard, ppp; else absent. */
  readonly noNeighbours?: boolean;
  /** "02:42:…" or null where the link has no Ethernet address. */
  readonly mac: string | null;
  /** Index of the bridge it belongs to, or null. */
  readonly master: number | null;
  /** Kernel VXLAN and Geneve devices: the UDP port that they take on the host while they are up. */
  readonly udpPort?: number;
}

/** Packets that a link dropped: on their way into the host, and out of it. */
export interface LinkDrops {
  readonly rx: number;
  readonly tx: number;
}

/** An address on a link. */
export interface LinkAddress {
  readonly link: number;
  readonly address: string;
  /** 0..32 for IPv4, 0..128 for IPv6. */
  readonly prefixLength: number;
  /** rt_scope: 0 universe, 253 link, 254 host. */
  readonly scope: number;
  /** Of IFA_F_… 0x01 secondary (IPv6: temporary), 0x08 DAD failed, 0x20 deprecated, 0x40 tentative; not for adding. */
  readonly flags?: number;
}

export type RouteType =
  | "unicast"
  | "local"
  | "broadcast"
  | "multicast"
  | "blackhole"
  | "unreachable"
  | "prohibit"
  /** Ends the search in its table; the next rule goes on. */
  | "throw"
  | "other";

/** A route of any table. */
export interface Route {
  /** "10.42.0.0/16"; "0.0.0.0/0" or "::/0" is the default route. */
  readonly destination: string;
  readonly type: RouteType;
  readonly gateway: string | null;
  readonly link: number | null;
  readonly metric: number;
  /** rtm_protocol: who installed it. */
  readonly protocol: number;
  readonly table: number;
  /** RTA_PREFSRC, or null. */
  readonly source: string | null;
  readonly onlink: boolean;
  /** rt_scope: 0 universe, 253 link. */
  readonly scope: number;
  /** Only packets with this Type of Service take it; absent: all do. */
  readonly tos?: number;
  /** RTAX_MTU; absent: as the link. */
  readonly mtu?: number;
}

/** A rule of policy routing (ip-rule(8)) that sends packets to a table. */
export interface RoutingRule {
  readonly priority: number;
  readonly table: number;
  /** Routes of the table that are no longer than this do not count (`suppress_prefixlength`); -1: all count. */
  readonly suppress: number;
  /** "10.42.0.0/16": only packets to there; null: to anywhere. */
  readonly to: string | null;
  /** Packets carry mark 0 unless somebody marks them: whether the rule takes those. */
  readonly unmarked: boolean;
  /** It has a condition besides: a source, an interface, a user, a port. It takes some packets only. */
  readonly partial: boolean;
}

/** The answer of `ip route get`. */
export interface RouteLookup {
  readonly type: RouteType;
  readonly gateway: string | null;
  readonly link: number;
  readonly source: string | null;
}

/**
 * What we read and change on a host, over rtnetlink. Every method throws SysError with the kernel's
 * own sentence (extended ack). Adding what exists and deleting what is gone are errors the caller sees.
 */
export interface HostNetwork {
  links(): Link[];
  /** What a link has dropped since it was made; null: it is gone, or does not tell. */
  linkDrops(index: number): LinkDrops | null;
  addresses(): LinkAddress[];
  /** All tables, IPv4 and IPv6. */
  routes(): Route[];
  /** The IPv4 rules that choose a table, in the order in which the kernel asks them. */
  rules(): RoutingRule[];
  /** Null where the host has no route to it. `tos`: for packets with that Type of Service. */
  routeTo(address: string, tos?: number): RouteLookup | null;
  setLink(index: number, change: { up?: boolean; mtu?: number; txQueueLength?: number }): void;
  deleteLink(index: number): void;
  addAddress(address: LinkAddress): void;
  deleteAddress(address: LinkAddress): void;
  /** `before`: in front of a route of the same destination and metric (IPv4), which stays. */
  addRoute(route: Route, before?: boolean): void;
  deleteRoute(route: Route): void;
  /** True when links, addresses or routes changed since the last call. Never blocks. */
  changed(): boolean;
  close(): void;
}

// ---------------------------------------------------------------------------------- control → data plane

/**
 * How packets to one peer leave. `sealed`: the data header and AEAD, by the sessions of its slot; `none`: not by us
 * (host-gw), but its probes are answered.
 */
export type Encapsulation = "data" | "sealed" | "vxlan" | "flannel" | "none";

/** Our own end of the path to a peer. */
export interface LocalEnd {
  /** By which of our addresses the peer calls us. */
  readonly address: string;
  /** Whether what goes to the peer has to leave from there, since the kernel would choose another. */
  readonly pinned: boolean;
}

/** Everything the data plane needs to carry packets to and from one peer. */
export interface Tunnel {
  readonly encapsulation: Encapsulation;
  /** Where packets go, "192.168.1.11:8473". */
  readonly endpoint: string;
  /** Where its own port is, for answers to probes; "" where it has none (static peers). */
  readonly ownPort: string;
  /** Where its VXLAN port is, for answers to probes, while packets go elsewhere. */
  readonly vxlanPort?: string;
  /** Largest inner packet, bytes. */
  readonly mtu: number;
  /** The receiver index the peer gave us; static and sealed peers: 0. */
  readonly sendIndex: number;
  /** The receiver index we gave the peer; static and sealed peers: 0. */
  readonly receiveIndex: number;
  /** `vxlan`: the VNI. `data`: 0, or the VNI of what the peer may send by VXLAN all the same. */
  readonly vni: number;
  /** `vxlan`: the peer's VTEP MAC; others "". */
  readonly mac: string;
  /** Absent: not known, and the kernel chooses what packets leave from. */
  readonly local?: LocalEnd;
}

/** What the data plane knows of its own node. */
export interface OwnNetwork {
  /** The overlay network, "10.42.0.0/16". */
  readonly network: string;
  /** Our leases; inner sources of what we send must lie in one, inner destinations of what we accept too. */
  readonly subnets: readonly string[];
  /** The address of the device. */
  readonly address: string;
  /** Our VTEP MAC. */
  readonly mac: string;
  /** MTU of the device. */
  readonly mtu: number;
}

/** Which kind of datagrams a socket carries. */
export type SocketRole = "own" | "vxlan" | "flannel";

/** The descriptors of one Worker for one role: what it receives from, and what it sends from. */
export interface WorkerSocket {
  readonly fd: number;
  /** The same for Worker 0; the others send from ports of their own, because the kernel joins datagrams by port. */
  readonly sendFd: number;
}

/** The descriptors of one Worker for the TUN device: its queue, and what it writes to (sys/tun.ts says why). */
export interface WorkerQueue {
  readonly fd: number;
  /** The same where there is one Worker. */
  readonly writeFd: number;
}

/** Which Worker this is, of how many. Its number is the lane of what it sends. */
export interface Lane {
  readonly worker: number;
  readonly workers: number;
}

/**
 * What the control plane tells the data plane, in order, through the mailbox; every Worker gets every message.
 * A slot (0 ≤ slot < MAX_PEERS) names a peer between the two; the control plane gives slots out and re-uses none
 * before its `dropPeer`.
 */
export type DataplaneMessage =
  /** One pair of descriptors for each Worker, in their order. */
  | {
    readonly kind: "attachSocket";
    readonly role: SocketRole;
    readonly family: 4 | 6;
    readonly sockets: readonly WorkerSocket[];
  }
  /** One queue for each Worker; `tso`, `uso`: the superframes that the device carries. */
  | {
    readonly kind: "attachTun";
    readonly queues: readonly WorkerQueue[];
    readonly tso: boolean;
    readonly uso: boolean;
  }
  | { readonly kind: "detachTun" }
  | { readonly kind: "setOwn"; readonly own: OwnNetwork }
  | { readonly kind: "setPeer"; readonly slot: number; readonly tunnel: Tunnel }
  | { readonly kind: "dropPeer"; readonly slot: number }
  | { readonly kind: "addRoute"; readonly prefix: string; readonly slot: number }
  | { readonly kind: "dropRoute"; readonly prefix: string }
  /** The keys (32 bytes each) of which one must have made the MAC of a handshake; none: this mesh is plain. */
  | { readonly kind: "setGate"; readonly macKeys: readonly Uint8Array[] }
  | InstallSession
  /** The peer has used the session, with another Worker: packets leave on it from now on. */
  | { readonly kind: "confirmSession"; readonly receiveIndex: number }
  /** Forgets a session and wipes its keys; one that is gone is no error. */
  | { readonly kind: "dropSession"; readonly receiveIndex: number }
  | { readonly kind: "stop" };

/**
 * A session with the peer in `slot`. The data plane derives each lane's keys from the roots (crypto/lane_keys.ts)
 * and wipes the message. `confirmed`: packets leave on it from now on; else (the responder's side) it only receives
 * until the first authenticated packet, which makes it the sending session. Earlier sessions go on receiving; a slot
 * holds MAX_SESSIONS, the oldest goes.
 */
export interface InstallSession {
  readonly kind: "installSession";
  readonly slot: number;
  /** The index we gave the peer: 24 random bits, then 0 in place of the lane. */
  readonly receiveIndex: number;
  /** The index the peer gave us, likewise. */
  readonly sendIndex: number;
  readonly suite: CipherSuite;
  /** Root keys, 32 bytes for each direction. */
  readonly sendKey: Uint8Array;
  readonly receiveKey: Uint8Array;
  readonly confirmed: boolean;
}

/** What the data plane hands up (rate-limited, over postMessage). */
export type DataplaneEvent =
  | { readonly kind: "ready" }
  /** A datagram of ours that is not data: handshake, hello, gossip, an answered probe. */
  | {
    readonly kind: "datagram";
    readonly bytes: Uint8Array;
    readonly from: string;
    readonly at: number;
    /** Our address that it was sent to; absent where the kernel does not say. Answers leave from there. */
    readonly to?: string;
  }
  /** Data for a receiver index nobody holds: the peer believes in a session we no longer have. `to`: as above. */
  | { readonly kind: "unknownIndex"; readonly from: string; readonly to?: string }
  /**
   * A handshake or its reply whose MAC is of none of our keys: another network, or a wrong secret. `question`: it was a
   * handshake, and long enough to be answered.
   */
  | { readonly kind: "badMac"; readonly from: string; readonly question: boolean; readonly to?: string }
  /** The first authenticated packet came on a session that was installed unconfirmed: packets leave on it now. */
  | { readonly kind: "sessionConfirmed"; readonly slot: number; readonly receiveIndex: number }
  /** A packet for a sealed peer waits for a session. */
  | { readonly kind: "sessionWanted"; readonly slot: number }
  /**
   * An authenticated packet, newer than all before, came from another endpoint, or to another of our addresses: packets
   * go there already, and leave from `to`.
   */
  | { readonly kind: "roamed"; readonly slot: number; readonly endpoint: string; readonly to?: string }
  /** An authenticated payload on the control lane, or an answered probe of any lane. */
  | SessionMessage
  /** A counter has passed 2^48: there must be another session before it reaches 2^52. */
  | { readonly kind: "rekeyWanted"; readonly slot: number }
  /** The path to the peer in this slot takes less than we thought. */
  | { readonly kind: "pathTooSmall"; readonly slot: number }
  /** The address that packets to this peer left from is no longer ours: the kernel chooses. Nothing was lost. */
  | { readonly kind: "sourceGone"; readonly slot: number }
  /** The kernel refuses datagrams for this peer, with this errno. */
  | { readonly kind: "sendRefused"; readonly slot: number; readonly errno: number }
  /** The kernel refuses superframes or trains that it seemed to know: single packets from now on. */
  | { readonly kind: "offloadLost"; readonly offload: Offload; readonly errno: number }
  /** Somebody deleted the TUN device; the Worker has let go of it. */
  | { readonly kind: "tunGone" }
  /** The Worker cannot go on; the process must end. */
  | { readonly kind: "failed"; readonly message: string }
  | { readonly kind: "stopped" };

/** What a peer's control plane said over a session; `at` is monotonic milliseconds. */
export interface SessionMessage {
  readonly kind: "sessionMessage";
  readonly slot: number;
  readonly receiveIndex: number;
  readonly bytes: Uint8Array;
  readonly from: string;
  readonly at: number;
}

/** Ordered delivery of messages to the Worker; see dataplane/mailbox.ts. */
export interface Mailbox {
  /** Queues a message; never blocks, never drops. Returns its epoch. */
  post(message: DataplaneMessage): number;
  /** The epoch that every Worker has applied. */
  appliedEpoch(): number;
}

/** Peers a node can hold at once. */
export const MAX_PEERS = 4096;
/** The slot of a socket's destinations for answers to whoever is no peer. */
export const REPLY_SLOT = MAX_PEERS;

/**
 * What carries many packets in one call: TCP and UDP superframes through TUN (tso, uso), trains of datagrams
 * through the socket, out (gso) and in (gro).
 */
export type Offload = "tso" | "uso" | "gso" | "gro";
export type Offloads = Readonly<Record<Offload, boolean>>;

/** HMAC-SHA256 (RFC 2104), for the MACs of handshakes. */
export interface Hmac {
  readonly by: "libcrypto" | "node:crypto";
  /** Writes the first `out.length` bytes (at most 32) of the MAC over `length` bytes of `b` at `at`. */
  digest(key: Uint8Array, b: Uint8Array, at: number, length: number, out: Uint8Array): void;
}

// ------------------------------------------------------------------------------------------------- sealing

/** The AEAD ciphers (RFC 5116, RFC 8439, NaCl secretbox); keys of 32 bytes, tags of 16. */
export type CipherSuite = "aes-256-gcm" | "chacha20-poly1305" | "xsalsa20-poly1305";

/** Who computes a suite. */
export type AeadMakerName = "libcrypto" | "node:crypto" | "tweetnacl";

/**
 * A key over the packet memory `b` that it was made for; other memory must not be given. The 16-byte data header at
 * `headerAt` is the associated data, and its counter (bytes 8 to 15) the nonce.
 */
export interface AeadKey {
  readonly suite: CipherSuite;
  /**
   * Seals `length` bytes at `from` to `to`: as many bytes, then the tag. The two may be the same place or not
   * overlap at all.
   */
  seal(b: Uint8Array, headerAt: number, from: number, length: number, to: number): void;
  /** Opens in place `length` bytes at `at`, the tag being the last 16. Bytes of plaintext, or −1: forged. */
  open(b: Uint8Array, headerAt: number, at: number, length: number): number;
  /** Ends the key, wiping it; it is not used again. */
  wipe(): void;
}

/** One implementation of some suites. */
export interface AeadMaker {
  readonly by: AeadMakerName;
  readonly suites: readonly CipherSuite[];
  /** A key of 32 bytes, which the caller may wipe afterwards, for packets in `memory`. */
  key(suite: CipherSuite, key: Uint8Array, memory: Uint8Array): AeadKey;
}

/** A suite, who computes it best on this host, and how fast, megabits a second. */
export interface MeasuredSuite {
  readonly suite: CipherSuite;
  readonly by: AeadMakerName;
  readonly mbps: number;
}

/** The suites of this host. */
export interface AeadProvider {
  /** The fastest first. */
  suites(): readonly MeasuredSuite[];
  key(suite: CipherSuite, key: Uint8Array, memory: Uint8Array): AeadKey;
}

/** Sessions a peer may have at once: during a rekey two, and one that is not confirmed yet. */
export const MAX_SESSIONS = 3;
/** The lane of the control plane: what it seals is not an IP packet. */
export const CONTROL_LANE = 255;

// --------------------------------------------------------------------------------- the data plane's devices

/**
 * Packet memory: one fixed ArrayBuffer cut into slots, so that native code knows where it lies and nothing
 * is allocated per packet. A packet enters a slot at HEADROOM; headers are prepended into the headroom.
 * Positions (`at`) are offsets into `bytes`.
 */
export interface PacketPool {
  readonly memory: ArrayBuffer;
  readonly bytes: Uint8Array;
  readonly slots: number;
}

/** Free bytes before the packet in a slot: vnet header or the largest encapsulation, rounded up. */
export const HEADROOM = 128;
/** Longest packet or datagram a slot takes: 64 KiB. */
export const SLOT_CAPACITY = 65536;
/** Distance between slots, whole pages. */
export const SLOT_LENGTH = 17 * 4096;
/** Bytes of the virtio_net_hdr in front of every packet of the TUN device (linux/virtio_net.h). */
export const VNET_LEN = 10;
/** Datagrams in one send or one received train, at most (UDP_MAX_SEGMENTS before Linux 6.9). */
export const MAX_SEGMENTS = 64;
/** Packets moved per batch in one direction. */
export const BATCH = 64;

/** The TUN queue. */
export interface TunDevice {
  /**
   * Reads the next packet or superframe into `slot` at HEADROOM, its vnet header before it. Bytes of the packet;
   * 0 when none waits, −1 when somebody deleted the device.
   */
  read(slot: number): number;
  /** Adds pool bytes to the frame under construction, which begins with a vnet header. False when it is full. */
  gather(at: number, length: number): boolean;
  /** Writes the frame and begins the next. Returns 0, or the errno of the refusal. */
  write(): number;
}

/** The last datagram that the kernel refused: whom it was for, and why. */
export interface Refusal {
  readonly slot: number;
  readonly errno: number;
}

/** A UDP socket seen by the data plane: batches in, batches out. */
export interface DatagramSocket {
  /** Remembers where datagrams for peer `slot` go. */
  setDestination(slot: number, endpoint: string): void;
  /** Remembers our own end of the path to peer `slot`; null: the kernel chooses what its datagrams leave from. */
  setLocal(slot: number, local: LocalEnd | null): void;
  /** Datagrams for `slot` go to where train `i` came from, and leave from the address that it was sent to. */
  follow(slot: number, i: number): void;
  /** They leave from there, and go where they went. */
  followLocal(slot: number, i: number): void;
  /**
   * Queues a datagram for peer `slot`: head, then body (length 0: none), both in the pool, both to stay untouched
   * until `flush`. Equal-sized neighbours to one peer leave as one send (UDP_SEGMENT). False when the queue is full.
   */
  enqueue(slot: number, headAt: number, headLength: number, bodyAt: number, bodyLength: number): boolean;
  /** Sends what is queued. Returns how many datagrams the kernel refused. */
  flush(): number;
  /** A peer whose path took no datagram as long as ours since the last question, or −1. */
  tooLongFor(): number;
  /** A peer whose source address the kernel refused since the last question, or −1: its datagrams left without. */
  sourceGoneFor(): number;
  /** What was refused last since the last question, or null. */
  refusal(): Refusal | null;
  /** Receives up to BATCH trains of datagrams into this socket's slots of the pool. Returns how many trains. */
  receive(): number;
  /** Lays a datagram that came from `from` before where train 0 lies, as if it had come just now. Returns where that is. */
  receiveAgain(datagram: Uint8Array, from: string): number;
  /** Where train `i` of the last receive begins. */
  position(i: number): number;
  /** Its length in bytes, all datagrams together. */
  length(i: number): number;
  /** Length of each of its datagrams but the last, which may be shorter (UDP_GRO). */
  segment(i: number): number;
  /** True when train `i` came from the address (and, if asked, the port) of peer `slot`. */
  isFrom(i: number, slot: number, withPort: boolean): boolean;
  /** True when train `i` was sent to the address by which peer `slot` calls us, or the kernel did not say what to. */
  isTo(i: number, slot: number): boolean;
  /** Both: train `i` came from the address and port of `slot`, to the address by which it calls us. */
  isUnmoved(i: number, slot: number): boolean;
  /** Our address that train `i` was sent to as text; "" where the kernel does not say, or none that can be a source. */
  local(i: number): string;
  /** The source of train `i` as text, for what is handed up. */
  source(i: number): string;
  /** Datagrams the kernel discarded because the receive buffer was full, since the start. */
  overflows(): number;
}
