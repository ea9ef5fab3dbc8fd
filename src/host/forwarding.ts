/**
 * `--forward`: the host passes packets on between its interfaces, as containers behind a bridge need it. Setting it has effects
 * of its own (Linux, net/ipv4/devinet.c, net/ipv6/addrconf.c): it sets the same for each interface, and an IPv6 router ignores
 * the advertisements of others, by which a host may have its default route. So what was there before is noted in the state
 * directory, before anything is changed, and given back when the daemon ends, or after a crash by the next `up` or `down`. What
 * somebody else has changed meanwhile stays as it is.
 */

import { readFileSync, rmSync } from "node:fs";
import { EACCES, EPERM, EROFS, SysError } from "../ports/sys_error.ts";
import type { HostNetwork } from "../ports/host.ts";
import type { Sysctls } from "../ports/sysctls.ts";
import { isEverything } from "../wire/prefix.ts";
import type { RouteFilter } from "../wire/route_filter.ts";
import { replaceFile } from "./atomic_file.ts";
import type { Reconciliation } from "./reconcile_host.ts";

const SWITCHES = { 4: "net/ipv4/ip_forward", 6: "net/ipv6/conf/all/forwarding" } as const;
const INTERFACES = { 4: "net/ipv4/conf", 6: "net/ipv6/conf" } as const;
/** Setting the switch sets it, too. */
const REDIRECTS = "net/ipv4/conf/all/accept_redirects";
const ON = "1";
/** accept_ra: as a host; also as a router. */
const AS_HOST = "1", ALWAYS = "2";
const NOTE_MAX = 65_536;
/** RTPROT_RA */
const ADVERTISED: RouteFilter = { protocol: 9 };
type Family = keyof typeof SWITCHES;

/** What is asked for. */
export interface WantedForwarding {
  /** Of the mesh's networks. */
  readonly families: readonly Family[];
  /** Interfaces by whose router advertisements the host has a default route; asked for when it matters. */
  readonly advertised: () => readonly string[];
}

/** Those interfaces. */
export function advertisedBy(net: HostNetwork): string[] {
  const routes = net.routes(ADVERTISED, true).filter(({ destination }) => isEverything(destination));
  const names = routes.map(({ iface }) => net.interfaces().find(({ index }) => index === iface)?.name);
  return [...new Set(names.filter((name) => name !== undefined))];
}

export class Forwarding {
  readonly #sysctls: Sysctls;
  readonly #notePath: string;
  /** What settings were before we changed them. BOUNDED: a few for each interface of the host. */
  #before: ReadonlyMap<string, string>;

  /** Goes on with what an earlier run noted at `notePath`. */
  constructor(sysctls: Sysctls, notePath: string) {
    this.#sysctls = sysctls;
    this.#notePath = notePath;
    this.#before = this.#noted();
  }

  /** Sets what is not set, and only that. */
  ensure({ families, advertised }: WantedForwarding): Reconciliation {
    const report: Reconciliation = { repaired: [], failed: [] };
    for (const family of families) {
      const was = this.#sysctls.read(SWITCHES[family]);
      if (was === ON || was === null) continue;
      this.#turnOn(family, was, family === 6 ? advertised() : [], report);
    }
    if (this.#before.size > 0 && !this.#isNoted()) this.#tryNote(report);
    return report;
  }

  #turnOn(family: Family, was: string, advertised: readonly string[], report: Reconciliation): void {
    const path = SWITCHES[family];
    const before = this.#before;
    const listening = advertised.map((name) => `${INTERFACES[6]}/${name}/accept_ra`)
      .filter((one) => this.#sysctls.read(one) === AS_HOST);
    const found = [path, ...this.#affected(family), ...listening].map((one) =>
      [one, this.#sysctls.read(one)] as const
    );
    // What was noted first is what was there before.
    this.#before = new Map([...found.filter((one): one is [string, string] => one[1] !== null), ...before]);
    try {
      this.#note();
      for (const one of listening) this.#sysctls.write(one, ALWAYS);
      this.#sysctls.write(path, ON);
      report.repaired.push(`Set ${nameOf(path)} to 1; it was ${was}, and is set back when ovltun stops`);
      const kept = listening.map(nameOf).join(", ");
      if (kept !== "") {
        report.repaired.push(`Set ${kept} to 2: this host goes on taking its routes from routers`);
      }
    } catch (error) {
      this.#undo(listening, before);
      report.failed.push(explained(error, path));
    }
  }

  /** The switch could not be turned: nothing is to be given back of it. */
  #undo(listening: readonly string[], before: ReadonlyMap<string, string>): void {
    for (const one of listening) if (this.#sysctls.read(one) === ALWAYS) this.#tryWrite(one, AS_HOST);
    this.#before = before;
    try {
      this.#note();
    } catch {
      // told with what could not be done
    }
  }

  /** What the switch changes besides, as far as that would not be what giving it back makes of it. */
  #affected(family: Family): string[] {
    const interfaces = this.#sysctls.list(INTERFACES[family]).filter((name) => name !== "all");
    const forwarding = interfaces.map((name) => `${INTERFACES[family]}/${name}/forwarding`);
    const on = forwarding.filter((path) => this.#sysctls.read(path) === ON);
    return family === 4 ? [REDIRECTS, ...on] : on;
  }

  /** Everything is as it was. */
  giveBack(): Reconciliation {
    const report: Reconciliation = { repaired: [], failed: [] };
    const before = this.#before;
    if (before.size === 0) return report;
    for (const family of [4, 6] as const) {
      const path = SWITCHES[family], was = before.get(path);
      if (was === undefined) continue;
      const isOurs = this.#sysctls.read(path) === ON;
      const refused = isOurs ? this.#tryWrite(path, was) : null;
      if (refused !== null) report.failed.push(refused);
      else if (isOurs) report.repaired.push(`Set ${nameOf(path)} back to ${was}`);
      if (refused === null) this.#giveBackOthers(family, isOurs, report);
    }
    if (report.failed.length > 0) return report;
    this.#before = new Map();
    rmSync(this.#notePath, { force: true });
    return report;
  }

  /** `turned`: the switch has just been turned back, and these with it. */
  #giveBackOthers(family: Family, turned: boolean, report: Reconciliation): void {
    for (const [path, was] of this.#before) {
      if (path === SWITCHES[family] || !path.startsWith(`net/ipv${family}/`)) continue;
      const is = this.#sysctls.read(path);
      const due = path.endsWith("/accept_ra") ? is === ALWAYS : turned && is !== null;
      if (!due || is === was) continue;
      const refused = this.#tryWrite(path, was);
      if (refused !== null) report.failed.push(refused);
    }
  }

  #tryWrite(path: string, value: string): string | null {
    try {
      this.#sysctls.write(path, value);
      return null;
    } catch (error) {
      return explained(error, path);
    }
  }

  // ------------------------------------------------------------------------------------------- the note

  #noteText(): string {
    const place = this.#sysctls.place();
    return `${JSON.stringify({ place, before: Object.fromEntries(this.#before) })}\n`;
  }

  #note(): void {
    if (this.#before.size === 0) return rmSync(this.#notePath, { force: true });
    replaceFile(this.#notePath, this.#noteText(), { temporary: `${this.#notePath}.tmp`, mode: 0o600 });
  }

  #tryNote(report: Reconciliation): void {
    try {
      this.#note();
    } catch (error) {
      report.failed.push(explained(error, this.#notePath));
    }
  }

  #isNoted(): boolean {
    return textAt(this.#notePath) === this.#noteText();
  }

  /** A note of another boot, or another container, is of settings that are gone. */
  #noted(): Map<string, string> {
    try {
      const { place, before } = JSON.parse(textAt(this.#notePath) ?? "{}") as Record<string, unknown>;
      if (place !== this.#sysctls.place() || typeof before !== "object" || before === null) {
        return new Map();
      }
      return new Map(Object.entries(before).filter((one): one is [string, string] => isNoteOfOurs(...one)));
    } catch {
      return new Map();
    }
  }
}

/** Nothing else is ever set, whatever stands in the file. */
const OURS =
  /^net\/(?:ipv4\/ip_forward|ipv4\/conf\/all\/accept_redirects|ipv[46]\/conf\/[^/]{1,16}\/forwarding|ipv6\/conf\/[^/]{1,16}\/accept_ra)$/;

function isNoteOfOurs(path: string, value: unknown): boolean {
  return OURS.test(path) && !path.includes("/../") && typeof value === "string" && /^[0-2]$/.test(value);
}

function textAt(path: string): string | null {
  try {
    const text = readFileSync(path, "utf8");
    return text.length > NOTE_MAX ? null : text;
  } catch {
    return null;
  }
}

/** "net.ipv4.ip_forward" */
function nameOf(path: string): string {
  return path.replaceAll("/", ".");
}

function explained(error: unknown, path: string): string {
  if (!(error instanceof SysError)) {
    const { code } = error as { readonly code?: string };
    return `Cannot note what ${nameOf(path)} was, so it is left as it is: ${code ?? error}`;
  }
  if (![EACCES, EPERM, EROFS].includes(error.errno)) return error.message;
  return `${error.message} (this process may not; as root on the host: sysctl -w ${nameOf(path)}=1)`;
}
