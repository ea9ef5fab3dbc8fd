/** One end of keyed.ts: `keyed_end.ts a|b plain|SUITE` inside its namespace. Keys are fixed: this is no tunnel to use. */
import process from "node:process";
import { WorkerHandle } from "../../src/daemon/planes/workers.ts";
import type { CipherSuite } from "../../src/ports/aead.ts";
import { openTun } from "../../src/sys/tun.ts";
import { openUdp } from "../../src/sys/udp_socket.ts";
import { systemMachine } from "../../src/machine/machine.ts";

const PORT = 8473;
const SLOT = 0;
const DEVICE = "key0";
const [end, suite] = process.argv.slice(2);
const own = end === "a" ? 1 : 2;
const other = 3 - own;
const sealed = suite !== "plain";
const mtu = sealed ? 1440 : 1456;
const index = (host: number) => host * 0x100;
/** The root key of what `host` sends. */
const root = (host: number) => new Uint8Array(32).fill(host);

const { suites, without } = systemMachine.planes.ciphers();
if (without !== null) console.log(without);
console.log(suites.map(({ suite, by, mbps }) => `${suite} by ${by}: ${mbps} Mbit/s`).join("\n"));

const offloads = { tso: true, uso: true, gso: true, gro: true };
const worker = new WorkerHandle(systemMachine, (event) => console.log(JSON.stringify(event)));
worker.start(offloads, suites);
const { mailbox } = worker;
const socket = openUdp(PORT);
const tun = openTun(DEVICE);
const endpoint = `10.99.0.${other}:${PORT}`;
const subnets = [`10.42.${own}.0/24`];
mailbox.post({
  kind: "attachSocket",
  role: "own",
  family: socket.family,
  sockets: [{ fd: socket.fd, sendFd: socket.fd }],
});
mailbox.post({ kind: "attachTun", queues: tun.queues, tso: tun.tso, uso: tun.uso });
mailbox.post({
  kind: "setOwn",
  own: { networks: ["10.42.0.0/16"], subnets, address: `10.42.${own}.0`, mac: "02:00:00:00:00:01", mtu },
});
mailbox.post({
  kind: "setPeer",
  slot: SLOT,
  tunnel: {
    encapsulation: sealed ? "sealed" : "data",
    endpoint,
    ownPort: endpoint,
    mtu,
    sendIndex: sealed ? 0 : index(other),
    receiveIndex: sealed ? 0 : index(own),
    vni: 0,
    mac: "",
  },
});
mailbox.post({ kind: "addRoute", prefix: `10.42.${other}.0/24`, slot: SLOT });
if (sealed) {
  mailbox.post({
    kind: "installSession",
    slot: SLOT,
    receiveIndex: index(own),
    sendIndex: index(other),
    suite: suite as CipherSuite,
    sendKey: root(own),
    receiveKey: root(other),
    confirmed: true,
  });
}
process.on("SIGTERM", () => {
  const counted = { ...worker.counters.events(), ...worker.counters.drops() };
  console.log(JSON.stringify(Object.fromEntries(Object.entries(counted).filter(([, count]) => count > 0))));
  process.exit(0);
});
setInterval(() => {}, 1000);
console.log("ready");
