/** What the actions of the control plane do in a running daemon (control/outbox/perform.ts performs them). */
import type { LogFields, LogLevel } from "../control/outbox/events.ts";
import type { Effects, LeaseChange, SendAction, SessionEffects } from "../control/outbox/perform.ts";
import type { StoredState } from "../control/records/state.ts";
import type { HeldSecret } from "../control/secrets/key_ring.ts";
import { PROBE_TOS } from "../host/owned.ts";
import { logger } from "../log/log.ts";
import type { Surroundings } from "../ports/machine.ts";
import { addressOf } from "../wire/address.ts";
import type { DaemonParts } from "./daemon_parts.ts";
import type { Ending } from "./end.ts";
import type { Names } from "./host/names.ts";
import type { SendRefusals } from "./planes/send_refusals.ts";
import type { Reconciler } from "./reconciler.ts";

const HOOK_MS = 30_000;

/** What effects work on. */
export interface EffectsOn {
  readonly parts: DaemonParts;
  readonly reconciler: Reconciler;
  readonly refusals: SendRefusals;
  readonly ending: Ending;
  readonly names: Names;
}

export class DaemonEffects implements Effects {
  readonly #on: EffectsOn;
  readonly sessions: SessionEffects | null;

  constructor(on: EffectsOn) {
    this.#on = on;
    this.sessions = on.parts.ciphers && on.parts.feed;
  }

  send(datagram: SendAction): void {
    const { sockets, net } = this.#on.parts;
    const { to, bytes } = datagram;
    if (datagram.by === undefined) {
      return this.#on.refusals.control(to, sockets.send(to, bytes, datagram.local ?? this.#sourceTo(to)));
    }
    if (datagram.by === "own") return sockets.sendProbe(to, bytes, this.#sourceTo(to));
    if (datagram.by === "vxlan") return sockets.sendVxlan(to, bytes, this.#on.reconciler.sourceTo(to));
    // Any other way, as while the route is missing, would show nothing.
    const hop = net.routeTo(addressOf(to), PROBE_TOS);
    if (hop?.gateway === datagram.gateway) sockets.sendProbeByTos(to, bytes, PROBE_TOS);
  }

  saveState(state: StoredState): void {
    this.#on.parts.state.save(state);
  }

  saveSecrets(secrets: readonly HeldSecret[]): void {
    this.#on.parts.state.writeSecrets(secrets);
  }

  resolve(name: string): void {
    void this.#on.names.lookUp(name);
  }

  reconcile(): void {
    this.#on.reconciler.reconcile();
  }

  leaseChanged(change: LeaseChange): void {
    const { config, machine } = this.#on.parts;
    const { onLeaseChange: program } = config;
    if (program !== null) runLeaseHook(machine.surroundings, program, change);
  }

  log(level: LogLevel, message: string, fields: LogFields): void {
    logger[level === "warning" ? "warn" : level](message, fields);
  }

  refuse(message: string): void {
    this.#on.ending.refuse(message);
    this.#on.ending.finish();
  }

  released(heard: boolean): void {
    this.#on.ending.endRelease(heard);
  }

  /** What we say of ourselves leaves from the address by which the peer calls us; "": the kernel chooses. */
  #sourceTo(to: string): string {
    const end = this.#on.parts.underlay.local(to);
    return end?.pinned ? end.address : "";
  }
}

/** Starts `--on-lease-change PROGRAM` and lets it run beside us; what it does wrong is logged. */
function runLeaseHook(surroundings: Surroundings, program: string, change: LeaseChange): void {
  const environment = {
    OVLTUN_OLD_SUBNET: change.from ?? "",
    OVLTUN_NEW_SUBNET: change.to ?? "",
    OVLTUN_WHY: change.why,
  };
  surroundings.run(program, environment, HOOK_MS, (trouble) => logger.warn(trouble));
}
