/**
 * What a sealed mesh adds to a node: keys and ciphers to start with; the gate that handshakes have to pass; and sessions,
 * each with its lanes in the Workers and the control plane's own lane here. What the control plane says to a peer is sealed
 * on the main thread, with that lane's key and counter, and leaves from our port beside the data plane's; a Worker opens
 * what comes in. The daemon and the giving back of a stored lease both use it.
 */
import type { Cipher } from "../../config/config.ts";
import { ConfigError } from "../../config/config_error.ts";
import type { SealedSetup } from "../../control/links/sealed_links.ts";
import type { InstallAction, SessionEffects } from "../../control/outbox/perform.ts";
import type { HeldSecret } from "../../control/secrets/key_ring.ts";
import { laneKey } from "../../crypto/lane_keys.ts";
import type { NetworkKeys } from "../../crypto/network_keys.ts";
import { wipeKeys } from "../../crypto/network_secret.ts";
import type { AeadKey, AeadProvider } from "../../ports/aead.ts";
import type { Ciphers } from "../../ports/machine.ts";
import { CONTROL_LANE } from "../../ports/planes.ts";
import { DATA_LEN, encodeData } from "../../wire/data_header.ts";
import { AEAD_TAG_LEN } from "../../wire/overhead.ts";
import type { DataplaneFeed } from "./dataplane_feed.ts";

/** As long as a datagram can be: probes of a path are as long as data is. */
const ROOM = 65_536;

/** The keys of the mesh's secret, and the ciphers this host is good at. */
export interface SealedParts {
  readonly setup: SealedSetup;
  readonly provider: AeadProvider;
  /** Why there is no libcrypto, in a sentence; null: there is. */
  readonly without: string | null;
}

/** Which sealed mesh it is. */
export interface SealedMesh {
  /** Those that count, one of them used. */
  readonly secrets: readonly HeldSecret[];
  readonly networkName: string;
  /** The only suite to offer, or "auto". */
  readonly cipher: Cipher;
  /** Id of the member that a token was issued by, or null. */
  readonly pinnedNode: string | null;
}

/** The control plane's lane of one session. */
interface ControlLane {
  readonly key: AeadKey;
  /** The index that the peer gave us, with our lane in its low byte. */
  readonly sendIndex: number;
  counter: number;
}

/** Throws ConfigError when the host does not have the suite. */
export function sealedParts(
  { suites, provider, without }: Ciphers,
  { secrets, networkName, cipher, pinnedNode }: SealedMesh,
): SealedParts {
  const offers = suites
    .filter(({ suite }) => cipher === "auto" || suite === cipher)
    .map(({ suite, mbps }) => ({ suite, mbps: Math.round(mbps) }));
  if (offers.length === 0) {
    const have = suites.map(({ suite }) => suite).join(", ");
    const why = without === null ? "" : ` (${without})`;
    throw new ConfigError(
      "cipher",
      `This host cannot do ${cipher}${why}; it has ${have}. Choose one of those, or --cipher auto`,
    );
  }
  const usedFirst = [...secrets].sort((a, b) => Number(b.used) - Number(a.used));
  const keys = usedFirst.map(({ secret }) => secret.keys(networkName));
  return { setup: { keys, secrets, suites: offers, pinnedNode }, provider, without };
}

export class SealedSide implements SessionEffects {
  readonly #feed: DataplaneFeed;
  readonly #provider: AeadProvider;
  readonly #memory = new Uint8Array(new ArrayBuffer(ROOM));
  /** BOUNDED: one per session, ≤ MAX_SESSIONS × MAX_PEERS; by the index that we gave the peer. */
  readonly #lanes = new Map<number, ControlLane>();

  /**
   * Shuts the Workers' gate to all but the network's members, and wipes the keys that were made for this: the control
   * plane makes those it needs from the secrets. Without secrets the keys are all there is, and stay.
   */
  constructor(setup: SealedSetup, provider: AeadProvider, feed: DataplaneFeed) {
    this.#feed = feed;
    this.#provider = provider;
    this.setGate(setup.keys);
    if (setup.secrets !== undefined && setup.secrets.length > 0) setup.keys.forEach(wipeKeys);
  }

  /** Gives a session its lanes in the data plane and here, or, where the data plane has no place for it, none. */
  install(session: InstallAction): void {
    if (!this.#feed.installSession(session)) return;
    this.#wipe(session.receiveIndex);
    const raw = laneKey(session.sendKey, CONTROL_LANE);
    const key = this.#provider.key(session.suite, raw, this.#memory);
    raw.fill(0);
    const sendIndex = (session.sendIndex | CONTROL_LANE) >>> 0;
    this.#lanes.set(session.receiveIndex, { key, sendIndex, counter: 0 });
  }

  confirm(receiveIndex: number): void {
    this.#feed.confirmSession(receiveIndex);
  }

  drop(id: string, receiveIndex: number): void {
    this.#wipe(receiveIndex);
    this.#feed.dropSession(id, receiveIndex);
  }

  /** The datagram that carries `bytes`; null when the session is gone. RangeError when no datagram takes them. */
  seal(receiveIndex: number, bytes: Uint8Array): Uint8Array | null {
    const lane = this.#lanes.get(receiveIndex);
    if (lane === undefined) return null;
    const end = DATA_LEN + bytes.length + AEAD_TAG_LEN;
    if (end > ROOM) throw new RangeError(`A control message of ${bytes.length} bytes is too long`);
    encodeData(this.#memory, 0, 0, 0, lane.sendIndex, lane.counter++);
    this.#memory.set(bytes, DATA_LEN);
    lane.key.seal(this.#memory, 0, DATA_LEN, bytes.length, DATA_LEN);
    return this.#memory.slice(0, end);
  }

  setGate(keys: readonly NetworkKeys[]): void {
    this.#feed.setGate(keys);
  }

  /** Wipes the keys of all lanes. */
  close(): void {
    for (const index of [...this.#lanes.keys()]) this.#wipe(index);
  }

  #wipe(receiveIndex: number): void {
    this.#lanes.get(receiveIndex)?.key.wipe();
    this.#lanes.delete(receiveIndex);
  }
}
