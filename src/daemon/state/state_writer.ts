/**
 * Writes what is to outlive this process, one thing after the other, on the disk's own threads: the process goes on
 * meanwhile, however long the disk takes. In this order, whatever is asked meanwhile:
 *
 *   1. the secrets             a state never names one that is not there
 *   2. what is kept with it    directives that a state is to be the last to wait for
 *   3. the state               the newest that was asked for; `stored` tells which
 *   4. the others              what is known of them: when there is nothing else to do
 *
 * What cannot be written stays, and is tried again with the next `kick`; but for the others: the control plane
 * is told that they are not there, and has the whole of them written later.
 */

import { Buffer } from "node:buffer";
import { join } from "node:path";
import { type Kept, keptLine, ownToJson, type StoredOwn } from "../../control/records/state.ts";
import { logger } from "../../log/log.ts";
import type { Disk } from "../../ports/disk.ts";
import { cannotWrite, codeOf, freshFile, SLOT_LEN, slotBytes, SLOTS } from "./durable_file.ts";
import type { StateDir } from "./state_dir.ts";
import { JOIN_FILE, PEERS_FILE, SECRET_FILE, STATE_FILE } from "./state_files.ts";

/** Lines of the journal that are put together at once. */
const LINES_AT_ONCE = 256;
/** A disk that has been busy with one write for so long is told of. */
const SLOW_MS = 2000;

/** A state that is to be written. */
export interface Asked {
  readonly ticket: number;
  readonly state: StoredOwn;
  readonly keep: readonly Kept[];
}

/** The state file as it was found: null, or where the present state is. */
export interface FoundState {
  readonly sequence: number;
  readonly slot: number;
  readonly state: StoredOwn;
  /** Its length is that of both slots. */
  readonly whole: boolean;
}

/** Who is told what became of it. */
export interface Told {
  stored(ticket: number): void;
  unremembered(): void;
}

export class StateWriter {
  readonly #disk: Disk;
  readonly #dir: StateDir;
  told: Told | null = null;
  /** What is on disk, or should be; null before anything was. */
  #last: StoredOwn | null;
  #sequence: number;
  #slot: number;
  /** The state file is there, with both its slots. */
  #whole: boolean;
  /** There is, or should be, a file of the others; its last line may have no end. */
  #journal: boolean;
  #torn = true;

  #secrets: string | null = null;
  /** The secret that goes to the disk with the first state that has a mesh. */
  #firstSecret: string | null = null;
  #keep: Kept[] = []; // BOUNDED: by what this node itself decides while the disk fails
  #asked: Pick<Asked, "ticket" | "state"> | null = null;
  #remember: { kept: Kept[]; whole: boolean } | null = null; // BOUNDED: as the control plane rations it

  /** What is under way; null: nothing. */
  #running: Promise<void> | null = null;
  #turns = 0;
  #busy: { readonly turn: number; readonly since: number } | null = null;
  #problem: string | null = null;
  #peersProblem: string | null = null;
  #wrong = false;
  /** Whether this run wrote anything. */
  wrote = false;

  constructor(disk: Disk, dir: StateDir, found: FoundState | null, journal: boolean) {
    this.#disk = disk;
    this.#dir = dir;
    this.#last = found?.state ?? null;
    this.#sequence = found?.sequence ?? 0;
    this.#slot = found?.slot ?? 0;
    this.#whole = found?.whole ?? false;
    this.#journal = journal;
  }

  /** The secret of a mesh that is to be founded or joined. */
  keepSecret(text: string): void {
    this.#firstSecret = text;
  }

  writeSecrets(text: string): void {
    this.#firstSecret = null;
    this.#secrets = text;
    this.kick();
  }

  save({ ticket, state, keep }: Asked): void {
    this.#keep.push(...keep);
    this.#asked = { ticket, state };
    this.kick();
  }

  remember(kept: readonly Kept[], whole: boolean): void {
    const before = whole ? [] : this.#remember?.kept ?? [];
    this.#remember = { kept: [...before, ...kept], whole: whole || this.#remember?.whole === true };
    this.kick();
  }

  /** Goes on with what there is to write, as far as it is not under way. */
  kick(): void {
    this.#running ??= this.#run().finally(() => this.#running = null);
  }

  /** Why what is to be on disk is not, a sentence; null: nothing is wrong. */
  problem(now: number): string | null {
    if (this.#running === null) this.#busy = null;
    else if (this.#busy?.turn !== this.#turns) this.#busy = { turn: this.#turns, since: now };
    const waited = this.#busy === null ? 0 : now - this.#busy.since;
    if (waited < SLOW_MS) return this.#problem ?? this.#peersProblem;
    return `The disk of ${
      JSON.stringify(this.#dir.path)
    } does not finish a write; until it has, no new lease and no ` +
      "new secret is used (see dmesg)";
  }

  /** Whether that has changed since it was asked last. */
  watch(now: number): boolean {
    const before = this.#wrong;
    this.#wrong = this.problem(now) !== null;
    return this.#wrong !== before;
  }

  /** Once nothing is under way: everything is written, or it failed. */
  async settle(): Promise<void> {
    while (this.#running !== null) await this.#running;
  }

  // ------------------------------------------------------------------------------------------ the writing

  async #run(): Promise<void> {
    await Promise.resolve(); // what is asked in one go is written in one go
    try {
      await this.#check();
      while (await this.#writeNext()) this.#turns++;
      this.#problem = null;
    } catch (error) {
      this.#problem = sentenceOf(error);
    }
    if (this.#problem === null && this.#remember !== null) await this.#writeOthers(this.#remember);
    // What was asked for while the last of it was written.
    if (this.#problem === null && this.#isDue()) return this.#run();
  }

  #isDue(): boolean {
    return this.#secrets !== null || this.#keep.length > 0 || this.#asked !== null || this.#remember !== null;
  }

  /** Makes again what was removed under us. */
  async #check(): Promise<void> {
    const restored = await this.#dir.check(this.#disk);
    const [state, peers] = await this.#disk.look([this.#path(STATE_FILE), this.#path(PEERS_FILE)]);
    if (state === null) this.#whole = false;
    const stateGone = state === null && this.#last !== null;
    const peersGone = peers === null && this.#journal;
    if (stateGone) this.#asked ??= { ticket: 0, state: this.#last! };
    if (peersGone) {
      this.#journal = false;
      this.told?.unremembered();
    }
    if (!restored && !stateGone && !peersGone) return;
    logger.warn(
      `Files of the state directory ${JSON.stringify(this.#dir.path)} were removed while the daemon was ` +
        "running; recreating them",
    );
  }

  async #writeNext(): Promise<boolean> {
    if (this.#secrets !== null) {
      await this.#writeSecret(this.#secrets, () => this.#secrets = null);
    } else if (this.#keep.length > 0) {
      const kept = this.#keep.slice();
      await this.#append(kept);
      this.#keep.splice(0, kept.length);
    } else if (this.#asked !== null) {
      if (this.#asked.state.mesh !== null && this.#firstSecret !== null) {
        await this.#writeSecret(this.#firstSecret, () => this.#firstSecret = null);
      } else await this.#writeState(this.#asked);
    } else return false;
    return true;
  }

  async #writeSecret(text: string, done: () => void): Promise<void> {
    const bytes = Buffer.from(text);
    await this.#named(SECRET_FILE, () => this.#disk.replace(this.#path(SECRET_FILE), [bytes]));
    this.#dir.keep(SECRET_FILE, bytes);
    if (this.#secrets === text || this.#firstSecret === text) done();
  }

  async #writeState(asked: Pick<Asked, "ticket" | "state">): Promise<void> {
    const path = this.#path(STATE_FILE);
    const sequence = this.#sequence + 1;
    const slot = this.#whole ? (this.#slot + 1) % SLOTS : 0;
    const json = ownToJson(asked.state);
    await this.#named(
      STATE_FILE,
      () =>
        this.#whole
          ? this.#disk.overwrite(path, slot * SLOT_LEN, slotBytes(sequence, json))
          : this.#disk.replace(path, [freshFile(sequence, json)]),
    );
    [this.#sequence, this.#slot, this.#whole] = [sequence, slot, true];
    this.#last = asked.state;
    this.wrote = true;
    if (this.#asked === asked) this.#asked = null;
    if (asked.state.claim !== null) await this.#forgetJoin();
    this.told?.stored(asked.ticket);
  }

  /** With the first claim a join is over. */
  async #forgetJoin(): Promise<void> {
    if (!this.#dir.keeps(JOIN_FILE)) return;
    try {
      await this.#disk.remove(this.#path(JOIN_FILE));
      this.#dir.keep(JOIN_FILE, null);
    } catch (error) {
      logger.warn(`Cannot remove the record of the finished join: ${codeOf(error)}`);
    }
  }

  async #writeOthers(asked: { kept: Kept[]; whole: boolean }): Promise<void> {
    this.#remember = null;
    this.#turns++;
    try {
      if (asked.whole) {
        await this.#named(PEERS_FILE, () => this.#disk.replace(this.#path(PEERS_FILE), partsOf(asked.kept)));
        this.#torn = false;
      } else await this.#append(asked.kept);
      this.#journal = true;
      this.#peersProblem = null;
    } catch (error) {
      this.#peersProblem = sentenceOf(error);
      this.told?.unremembered();
    }
  }

  /** Adds lines to the journal, behind whatever the last write left half-way. */
  async #append(kept: readonly Kept[]): Promise<void> {
    const parts = [...partsOf(kept)];
    if (this.#torn) parts.unshift(Buffer.from("\n"));
    this.#torn = true;
    await this.#named(PEERS_FILE, () => this.#disk.append(this.#path(PEERS_FILE), Buffer.concat(parts)));
    this.#torn = false;
    this.#journal = this.wrote = true;
  }

  #path(name: string): string {
    return join(this.#dir.path, name);
  }

  async #named(name: string, write: () => Promise<void>): Promise<void> {
    try {
      await write();
    } catch (cause) {
      throw cannotWrite(this.#path(name), cause);
    }
  }
}

/** The journal of these, some lines at a time: so that not all of a large mesh is put together at once. */
function* partsOf(kept: readonly Kept[]): Iterable<Uint8Array> {
  for (let at = 0; at < kept.length; at += LINES_AT_ONCE) {
    yield Buffer.from(kept.slice(at, at + LINES_AT_ONCE).map(keptLine).join(""));
  }
}

function sentenceOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
