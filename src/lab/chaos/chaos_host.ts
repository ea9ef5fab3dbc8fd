/**
 * One host of a chaos run, and what is done to it: a small disk of its own for the state, its daemon through all its lives,
 * perhaps one with another's state in its place, a hook that writes down what it is told. What is done happens in order; each
 * life has a log of its own.
 */
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { callApi } from "../../api/client.ts";
import { SOCKET_NAME, type Status } from "../../api/schema.ts";
import type { Release } from "../../api/outcomes.ts";
import { mountSmallDisk, unmountSmallDisk } from "../../sys/small_disks.ts";
import { statusOf } from "../formation.ts";
import { type LabDaemon, type LabMesh, startDaemon, stateDirOf } from "../hosts.ts";
import type { LabHost } from "../topology.ts";
import type { Guard } from "./guard.ts";
import type { Life } from "./life.ts";

/** Room for the state of a hundred hosts several times over. */
const DISK_BYTES = 2 * 1024 * 1024;
const BALLAST = "ballast";
const RELEASE_MS = 15_000;
const STATUS_MS = 3000;

export class ChaosHost {
  readonly host: LabHost;
  /** All lives of its daemon, the present one last. */
  readonly lives: Life[] = [];
  readonly #guard: Guard;
  readonly #mesh: LabMesh;
  readonly #folder: string;
  readonly #stateDir: string;
  readonly #copyDir: string;
  #daemon: LabDaemon | null = null;
  /** One with a copy of another's state, in place of its own. */
  #clone: LabDaemon | null = null;
  #clones = 0;
  #full = false;
  #isNew = false;
  /** Its lives before it last left. */
  #former = 0;

  constructor(host: LabHost, mesh: LabMesh, guard: Guard) {
    this.host = host;
    this.#guard = guard;
    this.#mesh = mesh;
    this.#folder = join(mesh.folder, host.name);
    this.#stateDir = stateDirOf(mesh, host);
    this.#copyDir = join(this.#folder, "copy");
    mkdirSync(this.#stateDir, { recursive: true });
    mountSmallDisk(this.#stateDir, DISK_BYTES);
    writeFileSync(this.#hookFile, hookScript(this.hookLog));
    chmodSync(this.#hookFile, 0o755);
  }

  get name(): string {
    return this.host.name;
  }

  /** What the hook was told: "OLD NEW" a line, "-" for none. */
  get hookLog(): string {
    return join(this.#folder, "hook.log");
  }

  get #hookFile(): string {
    return join(this.#folder, "hook");
  }

  get daemon(): LabDaemon | null {
    return this.#daemon;
  }

  get full(): boolean {
    return this.#full;
  }

  /** It has left, and comes back as another node. */
  get isNew(): boolean {
    return this.#isNew;
  }

  /** It was seen with a lease since it last joined: then all that it needs is on its disk. */
  get hasHeld(): boolean {
    return this.lives.slice(this.#former).some(({ leases }) => leases.length > 0);
  }

  get hasCopy(): boolean {
    return existsSync(this.#copyDir);
  }

  /** With a daemon that has ended and was not replaced, nothing runs. */
  start(peers: readonly string[], flags: readonly string[] = []): LabDaemon {
    const logFile = join(this.#folder, `log.${this.lives.length + 1}`);
    this.#isNew = false;
    const hook = ["--on-lease-change", this.#hookFile];
    this.#daemon = startDaemon(this.host, this.#mesh, { peers, flags: [...flags, ...hook], logFile });
    this.lives.push({ host: this.name, logFile, leases: [], endedAt: null });
    return this.#daemon;
  }

  /** Whether a daemon runs, or should. */
  get hasDaemon(): boolean {
    return this.#daemon !== null;
  }

  /** How the daemon ended by itself, and forgets it; null while it runs, or when there is none. */
  takeEnd(): string | null {
    const end = this.#daemon?.ended() ?? null;
    if (end !== null) this.#gone();
    return end;
  }

  kill(): void {
    this.#daemon?.signal("SIGKILL");
    this.#gone();
  }

  pause(): void {
    if (this.#daemon === null) return;
    this.#guard.paused(this.#daemon.pid);
    this.#daemon.signal("SIGSTOP");
  }

  resume(): void {
    if (this.#daemon === null) return;
    this.#daemon.signal("SIGCONT");
    this.#guard.continued(this.#daemon.pid);
  }

  /** Runs, in place of its own daemon, one with a copy of the state of `original`, as a copied machine does. */
  startCloneOf(original: ChaosHost, peers: readonly string[]): void {
    this.#clones++;
    const folder = join(this.#mesh.folder, `${this.name}.clone-${this.#clones}`);
    const mesh = { ...this.#mesh, folder };
    const stateDir = stateDirOf(mesh, this.host);
    mkdirSync(stateDir, { recursive: true, mode: 0o700 });
    original.#copyTo(stateDir);
    const logFile = join(this.#folder, `log.clone-${this.#clones}`);
    this.#clone = startDaemon(this.host, mesh, { peers, logFile });
  }

  /** How the daemon with a copied state ended by itself, and its last words; null: it runs, or there is none. */
  takeCloneEnd(): { readonly end: string; readonly log: string } | null {
    const end = this.#clone?.ended() ?? null;
    if (end === null) return null;
    const log = this.#clone!.log();
    this.#clone = null;
    return { end, log };
  }

  /** Kills it. False when there is none any more. */
  killClone(): boolean {
    if (this.#clone === null) return false;
    this.#clone.signal("SIGKILL");
    this.#clone = null;
    return true;
  }

  /** Gives the lease back, as `down --purge` does, and removes the state. Throws what the daemon says. */
  async leave(): Promise<Release | null> {
    const daemon = this.#daemon;
    if (daemon === null) return null;
    let release: Release | null = null;
    try {
      const socket = join(daemon.runDir, SOCKET_NAME);
      const answer = await callApi(socket, "stop", { purge: true }, { timeoutMs: RELEASE_MS });
      release = answer.release ?? null;
    } finally {
      await daemon.stop();
      this.#gone();
      this.#wipe();
      this.#isNew = true;
      this.#former = this.lives.length;
    }
    return release;
  }

  copyState(): void {
    rmSync(this.#copyDir, { recursive: true, force: true });
    mkdirSync(this.#copyDir, { mode: 0o700 });
    this.#copyTo(this.#copyDir);
  }

  restoreState(): void {
    this.#wipe();
    for (const name of readdirSync(this.#copyDir)) {
      cpSync(join(this.#copyDir, name), join(this.#stateDir, name), { recursive: true });
    }
  }

  /** Leaves no byte free on the disk of the state. */
  fill(): void {
    this.#full = true;
    const ballast = join(this.#stateDir, BALLAST);
    for (let bytes = DISK_BYTES; bytes >= 1; bytes = Math.floor(bytes / 2)) {
      try {
        writeFileSync(ballast, new Uint8Array(bytes), { flag: "a" });
      } catch (error) {
        if ((error as { code?: string }).code !== "ENOSPC") throw error;
      }
    }
  }

  empty(): void {
    this.#full = false;
    rmSync(join(this.#stateDir, BALLAST), { force: true });
  }

  status(): Promise<Status | null> {
    return this.#daemon === null ? Promise.resolve(null) : statusOf(this.#daemon, STATUS_MS);
  }

  /** Ends the daemon, whatever it does, and takes the disk away; with `keep`, what was on it stays beside the logs. */
  async close(keep: "keep" | null): Promise<void> {
    this.resume();
    this.killClone();
    await this.#daemon?.stop();
    if (keep !== null) {
      const kept = join(this.#folder, "state-at-the-end");
      mkdirSync(kept, { mode: 0o700 });
      this.#copyTo(kept);
    }
    unmountSmallDisk(this.#stateDir);
  }

  subnetEnv(): string {
    try {
      return readFileSync(join(this.#folder, "run", "subnet.env"), "utf8");
    } catch (error) {
      return `(${error instanceof Error ? error.message : error})`;
    }
  }

  #gone(): void {
    this.#daemon = null;
    const life = this.lives.at(-1);
    if (life !== undefined) life.endedAt ??= Date.now();
  }

  #stateFiles(): string[] {
    return readdirSync(this.#stateDir).filter((name) => name !== BALLAST);
  }

  #copyTo(folder: string): void {
    for (const name of this.#stateFiles()) {
      cpSync(join(this.#stateDir, name), join(folder, name), { recursive: true });
    }
  }

  #wipe(): void {
    for (const name of this.#stateFiles()) rmSync(join(this.#stateDir, name), { recursive: true });
  }
}

/** A hook as a user writes one. One line by one write: two hooks may run at once. */
function hookScript(log: string): string {
  return `#!/bin/sh
echo "\${OVLTUN_OLD_SUBNET:--} \${OVLTUN_NEW_SUBNET:--}" >> '${log}'
`;
}
