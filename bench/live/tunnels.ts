/**
 * Tunnels of others in user space, each with the settings its own manual begins with; WIREGUARD_GO, NEBULA and
 * NEBULA_CERT name other binaries. wireguard-go, tinc and nebula encrypt, fastd does not with the method "null".
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import type { Host, Pair, Running } from "./hosts.ts";
import type { System } from "./system.ts";

const DEVICE_MS = 10_000;

/** The output of a program that only makes keys. */
function make(command: readonly string[], input = "", cwd?: string): string {
  const [program, ...args] = command;
  return execFileSync(program!, args, { input, encoding: "utf8", stdio: "pipe", ...cwd && { cwd } }).trim();
}

/** A program that is started in another folder: a path becomes absolute, a name stays one. */
function fromAnywhere(program: string): string {
  return program.includes("/") ? resolve(program) : program;
}

function otherOf(pair: Pair, host: Host): Host {
  return host === pair.a ? pair.b : pair.a;
}

/** Gives a device its address once its process has made it. */
async function address(host: Host, running: Running, device: string, mtu: number): Promise<void> {
  for (let waited = 0;; waited += 50) {
    try {
      await host.ip(`addr add ${host.overlay}/24 dev ${device}`);
      break;
    } catch (error) {
      if (running.ended() !== null) throw new Error(`ended (${running.ended()})\n${running.log()}`);
      if (waited > DEVICE_MS) throw error;
      await sleep(50);
    }
  }
  await host.ip(`link set ${device} mtu ${mtu} up`);
}

export function wireguardGo(): System {
  const program = process.env["WIREGUARD_GO"] ?? "wireguard-go";
  const port = 51820;
  return {
    name: "wireguard-go",
    programs: [program, "wg"],
    versionCommand: [program, "--version"],
    async start(pair) {
      const keys = { a: make(["wg", "genkey"]), b: make(["wg", "genkey"]) };
      // Its control sockets lie in one folder for all namespaces.
      const device = (host: Host) => `wg${host.name}${process.pid}`;
      const processes: Running[] = [];
      for (const host of pair.hosts) {
        rmSync(`/var/run/wireguard/${device(host)}.sock`, { force: true });
        processes.push(host.start(program, "--foreground", device(host)));
        await address(host, processes.at(-1)!, device(host), 1420);
        const other = otherOf(pair, host);
        const key = join(pair.folder, `${host.name}.key`);
        writeFileSync(key, keys[host.name], { mode: 0o600 });
        const peer = make(["wg", "pubkey"], keys[other.name]);
        const own = `set ${device(host)} private-key ${key} listen-port ${port}`;
        const their = `peer ${peer} endpoint ${other.underlay}:${port} allowed-ips 10.42.0.0/24`;
        await host.run(5000, "wg", ...`${own} ${their}`.split(" "));
      }
      return { target: pair.b.overlay, processes };
    },
  };
}

export function fastd(): System {
  return {
    name: "fastd",
    programs: ["fastd"],
    versionCommand: ["fastd", "--version"],
    async start(pair) {
      const key = () => {
        const text = make(["fastd", "--generate-key"]);
        return { secret: /Secret: (\w+)/.exec(text)![1], public: /Public: (\w+)/.exec(text)![1] };
      };
      const keys = { a: key(), b: key() };
      const processes: Running[] = [];
      for (const host of pair.hosts) {
        const other = otherOf(pair, host);
        const file = join(pair.folder, `${host.name}.conf`);
        writeFileSync(
          file,
          `mode tun; interface "fd0"; method "null"; bind any:10000; mtu 1400; secret "${
            keys[host.name].secret
          }";
           peer "${other.name}" { key "${keys[other.name].public}"; remote ${other.underlay}:10000; }\n`,
        );
        processes.push(host.start("fastd", "-c", file));
        await address(host, processes.at(-1)!, "fd0", 1400);
      }
      return { target: pair.b.overlay, processes };
    },
  };
}

export function tinc(): System {
  return {
    name: "tinc",
    programs: ["tincd"],
    versionCommand: ["tincd", "--version"],
    start(pair) {
      const folder = (host: Host) => join(pair.folder, host.name);
      for (const host of pair.hosts) {
        mkdirSync(join(folder(host), "hosts"), { recursive: true });
        const config = `Name=${host.name}\nMode=switch\nInterface=tc0\nAddressFamily=ipv4\n`;
        writeFileSync(join(folder(host), "tinc.conf"), `${config}ConnectTo=${otherOf(pair, host).name}\n`);
        const up =
          `#!/bin/sh\nip addr add ${host.overlay}/24 dev $INTERFACE\nip link set $INTERFACE mtu 1400 up\n`;
        writeFileSync(join(folder(host), "tinc-up"), up, { mode: 0o755 });
        writeFileSync(join(folder(host), "hosts", host.name), `Address=${host.underlay}\n`);
        make(["tincd", "-c", folder(host), "-K2048"]);
      }
      for (const host of pair.hosts) {
        make(["cp", join(folder(host), "hosts", host.name), join(folder(otherOf(pair, host)), "hosts")]);
      }
      const processes = pair.hosts.map((host) =>
        host.start("tincd", "-c", folder(host), "-D", `--pidfile=${folder(host)}.pid`)
      );
      return Promise.resolve({ target: pair.b.overlay, processes });
    },
  };
}

export function nebula(): System {
  const program = process.env["NEBULA"] ?? "nebula";
  const cert = fromAnywhere(process.env["NEBULA_CERT"] ?? "nebula-cert");
  return {
    name: "nebula",
    programs: [program, cert],
    versionCommand: [program, "-version"],
    start(pair) {
      make([cert, "ca", "-name", "bench"], "", pair.folder);
      const processes = pair.hosts.map((host) => {
        make([cert, "sign", "-name", host.name, "-ip", `${host.overlay}/24`], "", pair.folder);
        const file = join(pair.folder, `${host.name}.yml`);
        writeFileSync(file, JSON.stringify(nebulaConfig(pair, host)));
        return host.start(program, "-config", file);
      });
      return Promise.resolve({ target: pair.b.overlay, processes });
    },
  };
}

/** JSON is YAML. */
function nebulaConfig(pair: Pair, host: Host): unknown {
  const file = (name: string) => join(pair.folder, name);
  const all = [{ port: "any", proto: "any", host: "any" }];
  const places = pair.hosts.map(({ overlay, underlay }) => [overlay, [`${underlay}:4242`]]);
  return {
    pki: { ca: file("ca.crt"), cert: file(`${host.name}.crt`), key: file(`${host.name}.key`) },
    static_host_map: Object.fromEntries(places),
    lighthouse: { am_lighthouse: false },
    listen: { host: "0.0.0.0", port: 4242 },
    cipher: "aes",
    tun: { dev: "neb0", mtu: 1300 },
    logging: { level: "error" },
    firewall: { outbound: all, inbound: all },
  };
}
