/**
 * Settings of a kernel in memory, those that forwarding is about, which behave as Linux's: a switch sets the same of every
 * interface, and more. Checked against the kernel's by test/live/forward_live_test.ts.
 */
import type { Sysctls } from "../../src/ports/sysctls.ts";
import { EROFS, SysError } from "../../src/ports/sys_error.ts";

export class FakeSysctls implements Sysctls {
  readonly #values = new Map<string, string>();
  /** Told of each change. */
  #place = "this boot";
  readonly #told: () => void;
  /** As in a container that sees /proc/sys read-only. */
  readOnly = false;

  /** Of a host with these interfaces, which forwards nothing. */
  constructor(interfaces: readonly string[], told: () => void = () => {}) {
    this.#told = told;
    this.#values.set("net/ipv4/ip_forward", "0");
    for (const name of ["all", "default", ...interfaces]) {
      for (const family of ["ipv4", "ipv6"]) {
        this.#values.set(`net/${family}/conf/${name}/forwarding`, "0");
        this.#values.set(`net/${family}/conf/${name}/accept_redirects`, "1");
      }
      this.#values.set(`net/ipv6/conf/${name}/accept_ra`, "1");
    }
  }

  place(): string {
    return this.#place;
  }

  read(path: string): string | null {
    return this.#values.get(path) ?? null;
  }

  list(directory: string): string[] {
    const inside = [...this.#values.keys()].filter((path) => path.startsWith(`${directory}/`));
    return [...new Set(inside.map((path) => path.slice(directory.length + 1).split("/")[0]!))];
  }

  write(path: string, value: string): void {
    if (this.readOnly) {
      throw new SysError(`Cannot set ${path.replaceAll("/", ".")} to ${value}`, EROFS, "read-only");
    }
    this.set(path, value);
  }

  /** `sysctl -w` */
  set(path: string, value: string): void {
    const had = this.#values.get(path);
    if (had === undefined) throw new Error(`No such setting: ${path}`);
    this.#values.set(path, value);
    const switched = /^net\/(ipv[46])\/(?:ip_forward|conf\/all\/forwarding)$/.exec(path)?.[1];
    if (switched !== undefined && had !== value) this.#switch(switched, value);
    this.#told();
  }

  #switch(family: string, value: string): void {
    for (const name of this.list(`net/${family}/conf`)) {
      this.#values.set(`net/${family}/conf/${name}/forwarding`, value);
    }
    if (family !== "ipv4") return;
    this.#values.set("net/ipv4/ip_forward", value);
    this.#values.set("net/ipv4/conf/all/accept_redirects", value === "1" ? "0" : "1");
  }

  /** The host was booted: nothing is as it was set. */
  reboot(): void {
    this.#place = "another boot";
  }

  /** All of them, for comparison. */
  get all(): Readonly<Record<string, string>> {
    return Object.fromEntries([...this.#values].sort());
  }
}
