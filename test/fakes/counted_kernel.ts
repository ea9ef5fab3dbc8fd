/** A kernel that counts what it is asked. */
import type { HostKernel } from "../../src/ports/host.ts";
import type { RouteFilter } from "../../src/wire/route_filter.ts";

/** How often each was asked for. `walks`: of `routes`, those for which a kernel has to show all that it has. */
export interface Asked {
  interfaces: number;
  addresses: number;
  rules: number;
  routes: number;
  walks: number;
  ways: number;
  drops: number;
}

export const NOTHING: Readonly<Asked> = {
  interfaces: 0,
  addresses: 0,
  rules: 0,
  routes: 0,
  walks: 0,
  ways: 0,
  drops: 0,
};

const COUNTED: Readonly<Record<string, keyof Asked>> = {
  interfaces: "interfaces",
  addresses: "addresses",
  rules: "rules",
  routes: "routes",
  routeTo: "ways",
  interfaceDrops: "drops",
};

/** `kernel` as it is, but for what goes through it being counted. */
export class CountedKernel {
  readonly kernel: HostKernel;
  #asked: Asked = { ...NOTHING };

  constructor(kernel: HostKernel) {
    this.kernel = new Proxy(kernel, {
      get: (target, name) => {
        const member = Reflect.get(target, name) as unknown;
        if (typeof member !== "function") return member;
        return (...given: unknown[]): unknown => {
          this.#count(String(name), given);
          return Reflect.apply(member, target, given);
        };
      },
    });
  }

  /** What was asked since the last call. */
  asked(): Readonly<Asked> {
    const asked = this.#asked;
    this.#asked = { ...NOTHING };
    return asked;
  }

  #count(name: string, [filter]: readonly unknown[]): void {
    const what = COUNTED[name];
    if (what === undefined) return;
    this.#asked[what]++;
    const { protocol, iface } = (filter ?? {}) as RouteFilter;
    if (what === "routes" && protocol === undefined && iface === undefined) this.#asked.walks++;
  }
}
