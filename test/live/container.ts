/** A container on a live test's host, as a runtime would make it for a mesh of both families. */
import type { ChildProcess } from "node:child_process";
import { collect, type Host } from "./host.ts";
import type { Place } from "./mesh.ts";

/** A container behind a bridge on a host, with the second address of each subnet. */
export class Container implements Place {
  readonly name: string;
  readonly addresses: readonly [string, string];
  readonly #host: Host;
  readonly #holder: ChildProcess;

  private constructor(host: Host, holder: ChildProcess, addresses: readonly [string, string]) {
    this.name = `a container of ${host.name}`;
    this.#host = host;
    this.#holder = holder;
    this.addresses = addresses;
  }

  static async start(host: Host): Promise<Container> {
    const { node } = await host.daemon.status();
    const four = node.subnet!.replace(/0\/24$/, ""), six = node.subnet6!.replace(/\/64$/, "");
    const holder = host.spawn(["unshare", "-n", "sh", "-c", "echo; exec sleep 600"]);
    await new Promise((resolve) => holder.stdout!.once("data", resolve));
    const inside = `nsenter -t ${holder.pid} -n ip`;
    await host.sh(`
      ip link add cni0 type bridge; ip link set cni0 up
      ip addr add ${four}1/24 dev cni0; ip addr add ${six}1/64 dev cni0 nodad
      ip link add veth0 type veth peer name eth0 netns ${holder.pid}; ip link set veth0 master cni0 up
      ${inside} link set lo up; ${inside} link set eth0 up
      ${inside} addr add ${four}2/24 dev eth0; ${inside} addr add ${six}2/64 dev eth0 nodad
      ${inside} route add default via ${four}1; ${inside} -6 route add default via ${six}1
    `);
    return new Container(host, holder, [`${four}2`, `${six}2`]);
  }

  spawn(command: readonly string[]): ChildProcess {
    return this.#host.spawn(["nsenter", "-t", `${this.#holder.pid}`, "-n", ...command]);
  }

  run(command: readonly string[], options: { timeoutMs?: number } = {}) {
    return collect(this.spawn(command), options);
  }

  stop(): void {
    this.#holder.kill("SIGKILL");
  }
}
