/**
 * What `ovltun events` follows: leases, reservations, peers and paths as they change. While somebody follows, each reconcile
 * compares what is with what was, and the differences are kept in order, the latest CHANGES_KEPT of them; while nobody does,
 * it costs nothing. A reader names the place up to which it has read; one that has none, was away for too long, or followed
 * another run of the daemon is told all that is. Readers wait for the next change: the answer comes when there is one.
 */
import type { ChangeEvent, Changes } from "../../api/states.ts";
import type { Wanted } from "../../control/paths/paths.ts";
import type { NodeView } from "../../control/paths/view.ts";
import type { Clock, Timers } from "../../ports/time.ts";

const CHANGES_KEPT = 1024;
const READERS_MAX = 16;
/** A reader without news is answered after this long. */
const WAIT_MS = 20_000;
/** Nobody has asked for so long: nobody follows. */
const FOLLOWED_MS = 60_000;

/** What is told of one thing, under a key of its own. */
type State = ReadonlyMap<string, ChangeEvent>;

interface Kept {
  readonly seq: number;
  readonly change: ChangeEvent;
}

export class ChangeLog {
  readonly #run: string;
  readonly #clock: Clock;
  readonly #timers: Timers;
  /** BOUNDED: ≤ CHANGES_KEPT, the oldest go first */
  #kept: Kept[] = [];
  /** BOUNDED: one per lease, reservation, peer and path */
  #state: State | null = null;
  #seq = 0;
  #askedAt = -Infinity;
  /** BOUNDED: ≤ READERS_MAX */
  readonly #readers = new Set<() => void>();

  /** `run` names this run of the daemon. */
  constructor(run: string, { clock, timers }: { readonly clock: Clock; readonly timers: Timers }) {
    this.#run = run;
    this.#clock = clock;
    this.#timers = timers;
  }

  /** Compares with the time before, if somebody follows. */
  look(view: NodeView, wanted: Wanted): void {
    if (this.#state === null) return;
    const quiet = this.#clock.now() - this.#askedAt > FOLLOWED_MS;
    if (this.#readers.size === 0 && quiet) return this.#rest();
    const before = this.#seq;
    const at = new Date(this.#clock.wall()).toISOString();
    const state = stateOf(view, wanted, at);
    for (const change of differences(this.#state, state, at)) this.#kept.push({ seq: ++this.#seq, change });
    if (this.#kept.length > CHANGES_KEPT) this.#kept = this.#kept.slice(-CHANGES_KEPT);
    this.#state = state;
    if (this.#seq > before) { for (const wake of [...this.#readers]) wake(); }
  }

  /**
   * What changed after `cursor`, as soon as something has; null or a place that is not known any more: all that is, at once.
   * `known` reads what is; once the reader is `gone`, its place is free. Throws a sentence when too many wait.
   */
  async read(
    cursor: string | null,
    known: () => readonly [NodeView, Wanted],
    gone?: AbortSignal,
  ): Promise<Changes> {
    this.#askedAt = this.#clock.now();
    const from = this.#place(cursor);
    if (from === null) return this.#snapshot(...known());
    if (this.#seq === from) await this.#next(gone);
    this.#askedAt = this.#clock.now();
    // One look may find more changes than are kept, as when a mesh falls apart.
    if (this.#place(cursor) === null) return this.#snapshot(...known());
    const events = this.#kept.filter(({ seq }) => seq > from).map(({ change }) => change);
    return { cursor: this.#cursor(), snapshot: false, events };
  }

  #snapshot(view: NodeView, wanted: Wanted): Changes {
    // Whoever follows already reads on from the changes up to here.
    this.#state ??= stateOf(view, wanted, new Date(this.#clock.wall()).toISOString());
    return { cursor: this.#cursor(), snapshot: true, events: [...this.#state.values()] };
  }

  #next(gone: AbortSignal | undefined): Promise<void> {
    if (gone?.aborted) return Promise.resolve();
    if (this.#readers.size >= READERS_MAX) {
      throw new Error(`${READERS_MAX} readers follow the events of this daemon: end one of them`);
    }
    return new Promise((resolve) => {
      const wake = () => {
        stop();
        gone?.removeEventListener("abort", wake);
        this.#readers.delete(wake);
        resolve();
      };
      const stop = this.#timers.after(WAIT_MS, wake);
      gone?.addEventListener("abort", wake);
      this.#readers.add(wake);
    });
  }

  #cursor(): string {
    return `${this.#run}.${this.#seq}`;
  }

  // Null: not of this run, or what came after it is not there any more.
  #place(cursor: string | null): number | null {
    const [, run, text] = /^(.*)\.(\d+)$/.exec(cursor ?? "") ?? [];
    const seq = Number(text);
    if (this.#state === null || run !== this.#run || seq > this.#seq) return null;
    const oldest = this.#seq - this.#kept.length;
    return seq < oldest ? null : seq;
  }

  #rest(): void {
    this.#seq++; // no place from before leads on
    this.#kept = [];
    this.#state = null;
  }
}

function stateOf(view: NodeView, wanted: Wanted, at: string): State {
  const state = new Map<string, ChangeEvent>(); // BOUNDED: as #state
  for (const { subnet, second, nodeId, name, state: is, reserved } of view.leases) {
    const own = nodeId === view.own.id;
    const others = is === "conflict" || is === "static" ? is : "held";
    const change: ChangeEvent = {
      event: "lease",
      at,
      subnet: subnet.text,
      ...(second === undefined ? {} : { subnet6: second.text }),
      nodeId,
      name,
      state: own && is !== "conflict" ? view.own.leaseState : others,
      before: null,
      reserved,
      own,
    };
    state.set(`lease ${subnet.text} ${nodeId}`, change);
  }
  for (const { subnet, nodeId, name, by, moves } of view.reservations ?? []) {
    const made = { event: "reservation", at, subnet: subnet.text, nodeId, name, by, moves } as const;
    state.set(`reservation ${subnet.text}`, { ...made, state: "reserved", before: null });
  }
  for (const { id, name, state: is, stopped } of view.peers) {
    state.set(`peer ${id}`, { event: "peer", at, id, name, state: is, before: null, stopped });
    const path = wanted.paths.get(id);
    if (path === undefined) continue;
    const { path: kind, why, mtu } = path;
    state.set(`path ${id}`, {
      event: "path",
      at,
      id,
      name,
      path: kind,
      to: path.to ?? null,
      why,
      mtu,
      before: null,
    });
  }
  return state;
}

function* differences(before: State, after: State, at: string): Iterable<ChangeEvent> {
  for (const [key, was] of before) {
    if (!after.has(key) && valueOf(was) !== "none") yield gone(was, at);
  }
  for (const [key, is] of after) {
    const was = before.get(key);
    if (was === undefined) yield is;
    else if (differs(was, is)) yield { ...is, before: beforeOf(was) } as ChangeEvent;
  }
}

function gone(was: ChangeEvent, at: string): ChangeEvent {
  switch (was.event) {
    case "path":
      return { ...was, at, path: "none", before: was.path, to: null, mtu: 0, why: "the node left the mesh" };
    case "lease":
      return { ...was, at, state: "gone", before: was.state };
    case "peer":
      return { ...was, at, state: "gone", before: was.state };
    case "reservation":
      return { ...was, at, state: "lifted", before: was.name };
  }
}

function beforeOf(was: ChangeEvent): string {
  return was.event === "reservation" ? was.name : valueOf(was);
}

function valueOf(change: ChangeEvent): string {
  return change.event === "path" ? change.path : change.state;
}

function differs(a: ChangeEvent, b: ChangeEvent): boolean {
  if (valueOf(a) !== valueOf(b)) return true;
  if (a.event === "path" && b.event === "path") return a.to !== b.to || a.mtu !== b.mtu;
  if (a.event === "peer" && b.event === "peer") return a.stopped !== b.stopped || a.name !== b.name;
  if (a.event === "reservation" && b.event === "reservation") {
    return a.nodeId !== b.nodeId || a.moves !== b.moves;
  }
  return a.event === "lease" && b.event === "lease" &&
    (a.reserved !== b.reserved || a.name !== b.name || a.subnet6 !== b.subnet6);
}
