/**
 * Makes sockets, Workers and host what the control plane wants: asks it for its view, decides with `wantedFrom`, and hands
 * the whole to those who apply the difference. Called when something changed, at most once a tick while much does, and every
 * few seconds besides. Says once when this node is ready, and what of the host is in the mesh's way: a host that joins for
 * the first time ends.
 */
import { ConfigError } from "../config/config.ts";
import type { ControlPlane } from "../control/node/node.ts";
import { narrowIpv6 } from "./reports/narrow_ipv6.ts";
import { leastMtu, NOTHING, placesOf, type Wanted, wantedFrom } from "../control/paths/paths.ts";
import { type MeshConfig, networksOf, rangesOf, type Settings } from "../control/mesh/mesh_config.ts";
import type { DaemonParts } from "./daemon_parts.ts";
import { OverlapWatch, refuseOverlap } from "./host/overlap_check.ts";
import { ChangeLog } from "./reports/changes.ts";
import { joinAdvice } from "./reports/start_log.ts";
import { logger } from "../log/log.ts";
import { LostPaths, PathLog } from "./reports/path_log.ts";
import { PathWatch } from "./planes/path_watch.ts";
import { SwallowedWatch } from "./reports/swallowed_sends.ts";
import { Troubles } from "./reports/troubles.ts";
import type { UnderlayWatch } from "./host/underlay_watch.ts";
import { addressOf } from "../wire/address.ts";
import { toHex } from "../wire/bytes.ts";

/** The host is compared with what is wanted at least this often. */
const HOST_CHECK_MS = 5000;
/** Only in a mesh of dozens deciding takes longer; … */
const QUICK_MS = 2;
/** … with fewer peers it is code that is not compiled yet. */
const FEW_PEERS = 16;
/** There a change that can wait does for so many times as long, at most for a while; … */
const REST_TIMES = 100;
const REST_MAX_MS = 2000;
/** … and where nothing has changed, it is decided anew after so many times. */
const STILL_TIMES = 200;
const STILL_MAX_MS = 60_000;

/** Gets what the reconciler finds. */
export interface Found {
  /** The network that the mesh told would hide one of this host. */
  readonly onMisfit: (error: ConfigError) => void;
  /** What is to be probed has changed, and the routes for it are there. */
  readonly onWays: (ways: Wanted["ways"]) => void;
}

/** How often what is wanted is decided: the longer that takes, the more seldom. */
export class Pace {
  #at = -Infinity;
  #tookMs = 0;
  #lastTookMs = 0;

  /** It was, in this time, for so many peers. One that took long alone says nothing: this thread had to wait. */
  decided(from: number, to: number, peers: number): void {
    this.#at = to;
    const tookMs = to - from < QUICK_MS || peers <= FEW_PEERS ? 0 : to - from;
    this.#tookMs = Math.min(tookMs, this.#lastTookMs);
    this.#lastTookMs = tookMs;
  }

  /** When a change that can wait has waited long enough. */
  get mayFollowFrom(): number {
    return this.#at + Math.min(REST_MAX_MS, REST_TIMES * this.#tookMs);
  }

  /** Whether it is to be decided anew though no change was told. */
  isOld(now: number): boolean {
    return now - this.#at >= Math.max(HOST_CHECK_MS, Math.min(STILL_MAX_MS, STILL_TIMES * this.#tookMs));
  }
}

export class Reconciler {
  readonly #parts: DaemonParts;
  readonly #settings: Settings;
  readonly #control: ControlPlane;
  readonly #underlay: UnderlayWatch;
  readonly #on: Found;
  /** What `ovltun events` follows. */
  readonly changes: ChangeLog;
  readonly #troubles = new Troubles();
  readonly #overlaps: OverlapWatch;
  readonly #swallowed: SwallowedWatch;
  readonly #lostPaths = new LostPaths();
  readonly #pathLog = new PathLog();
  readonly #pathWatch = new PathWatch();
  #wanted: Wanted | null = null;
  #ready = false;
  #networkChecked = false;
  #lastHostCheck = 0;
  /** In the last view. */
  #peers = 0;
  readonly #pace = new Pace();
  /** Something has changed since. */
  #owed = false;
  /** What is told besides what the host did not take, sentences. */
  #others: readonly (string | null)[] = [];
  /** What was found out of the host no longer holds. */
  #stale = false;
  /** Peers to whom our own link does not take what we thought. BOUNDED: one per slot, until the next tick */
  readonly #tooSmall = new Set<string>();
  /** What `onWays` was told last, as text. */
  #ways = "[]";

  constructor(parts: DaemonParts, settings: Settings, control: ControlPlane, on: Found) {
    this.#parts = parts;
    this.#settings = settings;
    this.#control = control;
    this.#underlay = parts.underlay;
    this.#on = on;
    this.#overlaps = new OverlapWatch(parts.net);
    this.#swallowed = new SwallowedWatch(parts.net);
    this.changes = new ChangeLog(toHex(parts.machine.random.bytes(8)), parts.machine);
  }

  /** What was decided last. */
  get wanted(): Wanted {
    return this.#wanted ?? NOTHING;
  }

  /** What cannot be done on the host at the moment, sentences. */
  get troubles(): readonly string[] {
    return this.#troubles.now;
  }

  /** Whether what is wanted is to be decided anew. */
  overdue(now: number): boolean {
    if (this.#stale || this.#overlaps.due(now)) return true;
    return this.#owed ? now >= this.#pace.mayFollowFrom : this.#pace.isOld(now);
  }

  /** Something has changed that may wait for what else does: a storm of changes leaves time for everything else. */
  follow(now: number): void {
    if (now >= this.#pace.mayFollowFrom) this.reconcile();
    else this.#owed = true;
  }

  /** Compares the host with what was wanted last, if that was not done for too long. */
  checkHost(now: number): void {
    if (this.#wanted === null || now - this.#lastHostCheck < HOST_CHECK_MS) return;
    this.#lastHostCheck = now;
    this.#parts.state.retry(now);
    this.#troubles.tell(this.#parts.keeper.apply(this.#wanted), this.#others, now);
  }

  /** From when on a tick has to look at the host, or to follow what has changed: it should not be long in coming. */
  get waitsFrom(): number {
    if (this.#stale) return -Infinity;
    return this.#owed ? this.#pace.mayFollowFrom : Infinity;
  }

  /** The next tick is to look at the host, once for all peers. */
  expire(): void {
    this.#stale = true;
  }

  reconcile(): void {
    const { clock } = this.#parts.machine;
    const from = clock.now();
    this.#follow();
    this.#pace.decided(from, clock.now(), this.#peers);
  }

  #follow(): void {
    this.#stale = this.#owed = false;
    const { config, machine, sockets, feed, keeper, state } = this.#parts;
    this.#lastHostCheck = machine.clock.now();
    const view = this.#control.view(this.#lastHostCheck);
    this.#peers = view.peers.length;
    if (view.own.mesh !== null && !this.#networkChecked && !this.#checkNetwork(view.own.mesh)) return;
    this.#enterMesh(view.own.mesh);
    this.#underlay.reach(view.peers);
    const least = view.own.mesh === null ? 0 : leastMtu(view.own.mesh);
    const asked = config.mtu === null ? null : Math.max(config.mtu, least);
    const wanted = withMtu(wantedFrom(view, this.#settings, this.#underlay.facts()), asked);
    this.#wanted = wanted;
    const closed = sockets.ensure(wanted.sockets, this.#lastHostCheck);
    feed.apply(wanted);
    const report = keeper.apply(wanted);
    const overlaps = this.#overlaps.look(view, keeper.device, this.#lastHostCheck);
    this.#others = [
      this.#underlay.trouble,
      state.retry(this.#lastHostCheck),
      ...closed,
      ...overlaps,
      ...this.#swallowed.look(this.#lastHostCheck),
      ...narrowIpv6(view, wanted, config.mtu),
    ];
    this.#troubles.tell(report, this.#others, this.#lastHostCheck);
    const surroundings = { view, underlay: this.#underlay.endpoints() };
    for (const { level, message, peer } of this.#lostPaths.look(surroundings, wanted, this.#lastHostCheck)) {
      logger[level](message, { peer });
    }
    if (wanted.own !== null && !this.#ready) this.#announceReady(wanted);
    this.#pathLog.tell(view, wanted, this.#lastHostCheck);
    this.changes.look(view, wanted);
    this.#tellWays(wanted.ways);
  }

  // Once: what the underlay is rests on these, and is found out anew with others.
  #enterMesh(mesh: MeshConfig | null): void {
    if (mesh !== null && this.#underlay.networks.length === 0) this.#underlay.networks = networksOf(mesh);
  }

  /** The peers whose tunnels are to show that they carry packets of full size. */
  pathsToCheck(now: number): string[] {
    const { feed, workers } = this.#parts;
    const due = this.#pathWatch.tick(
      this.#carrying(),
      (key) => feed.slotOf(key),
      workers.counters,
      now,
    );
    const suspected = new Set([...this.#tooSmall, ...due]);
    this.#tooSmall.clear();
    return this.#measurable(suspected);
  }

  /** Peers whose packets have passed since this was asked last; empty in between. */
  traffic(now: number): string[] {
    return this.#pathWatch.traffic(now);
  }

  *#carrying(): Iterable<string> {
    for (const [key, { encapsulation }] of this.wanted.tunnels) if (encapsulation !== "waiting") yield key;
  }

  /** Once the routes for probes are there: the control plane asks along each way. */
  #tellWays(ways: Wanted["ways"]): void {
    const text = JSON.stringify([...ways]);
    if (text === this.#ways) return;
    this.#ways = text;
    this.#on.onWays(ways);
  }

  /** What probes beside the data to `to` leave from, whatever the port; "": the kernel chooses. */
  sourceTo(to: string): string {
    const address = addressOf(to);
    for (const { ownPort, local } of this.wanted.tunnels.values()) {
      if (local?.pinned && addressOf(ownPort) === address) return local.address;
    }
    return "";
  }

  /**
   * A Worker found out that our own link does not take what we thought to the peer in `slot`: with the next tick the host is
   * looked at, and the way there is measured anew.
   */
  pathTooSmall(slot: number): void {
    const key = this.#parts.feed.keyOf(slot);
    if (key === null || this.#wanted?.tunnels.has(key) !== true) return;
    this.#tooSmall.add(key);
    this.expire();
  }

  // Those whose ways probes can measure. A static peer answers none: of the way there the kernel knows what ICMP told it.
  #measurable(keys: Iterable<string>): string[] {
    const ids: string[] = [];
    const learned: string[] = [];
    for (const key of keys) {
      const tunnel = this.#wanted?.tunnels.get(key);
      if (this.#wanted?.ways.has(key) || tunnel === undefined) ids.push(key);
      else if (this.#underlay.learnPathMtu(tunnel.endpoint)) learned.push(key);
    }
    if (learned.length === 0) return ids;
    this.reconcile();
    for (const { endpoint, mtu } of learned.flatMap((key) => this.#wanted!.tunnels.get(key) ?? [])) {
      logger.info(`The path MTU to ${endpoint} is ${mtu}`, { path: endpoint, mtu });
    }
    return ids;
  }

  #announceReady(wanted: Wanted): void {
    this.#ready = true;
    const { choice, config, machine, keeper } = this.#parts;
    const { own } = this.#control.view(machine.clock.now());
    const held = placesOf(wanted.own!).map(({ network, subnet }) => `${subnet} of ${network}`).join(" and ");
    logger.info(`Ready: ${own.name} holds ${held}`, {
      device: keeper.device,
      mtu: wanted.deviceMtu,
      backend: own.mesh?.backend,
    });
    if (choice.security === "sealed" && choice.founded) logger.info(joinAdvice(config));
    machine.surroundings.tellReady();
  }

  /**
   * The network may have been learned only now. One that does not fit this host is given back, by a host that held no
   * lease in it before: what an earlier run held is never released for it.
   */
  #checkNetwork(mesh: MeshConfig): boolean {
    this.#networkChecked = true;
    try {
      for (const range of rangesOf(mesh)) refuseOverlap(this.#parts.net, this.#parts, range);
      return true;
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      this.#on.onMisfit(error);
      return false;
    }
  }
}

/** `--mtu` beats what the underlay leaves. */
function withMtu(wanted: Wanted, mtu: number | null): Wanted {
  if (mtu === null) return wanted;
  return { ...wanted, deviceMtu: mtu, own: wanted.own === null ? null : { ...wanted.own, mtu } };
}
