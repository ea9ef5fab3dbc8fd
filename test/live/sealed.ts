/** What the live tests of sealed meshes share: secrets in files, and one UDP flow whose datagrams are told apart. */
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Status } from "../../src/api/schema.ts";
import { NetworkSecret } from "../../src/crypto/network_secret.ts";
import { collect, type Host, type Kind } from "./host.ts";
import { startMesh } from "./mesh.ts";

/** A new network secret in a file of its own. */
export function secretFile(folder: string, name = "secret"): string {
  const path = join(folder, `${name}-${randomBytes(4).toString("hex")}`);
  writeFileSync(path, `${NetworkSecret.create().text()}\n`, { mode: 0o600 });
  return path;
}

/** A sealed mesh of one secret; the first host founds it. */
export async function startSealed(
  hosts: readonly Host[],
  folder: string,
  flags: readonly string[] = [],
  kinds: readonly Kind[] = ["compiled"],
): Promise<Status[]> {
  return await startMesh(hosts, kinds, ["--secret-file", secretFile(folder), ...flags]);
}

const RECEIVE = `socket(S, AF_INET, SOCK_DGRAM, 0) or die; $| = 1;
  setsockopt(S, SOL_SOCKET, SO_RCVBUF, 4 << 20); bind(S, pack_sockaddr_in(7100, INADDR_ANY)) or die; print "ready\\n";
  while (defined recv(S, $b, 2000, 0)) { print unpack("N", $b), " ", substr($b, 4) eq $ARGV[0] x 8 ? 1 : 0, "\\n" }`;
const SEND = `socket(S, AF_INET, SOCK_DGRAM, 0) or die; my ($to, $count, $pattern, $pause) = @ARGV;
  for my $n (0 .. $count - 1) { select(undef, undef, undef, $pause);
    send(S, pack("N", $n) . $pattern x 8, 0, pack_sockaddr_in(7100, inet_aton($to))) }`;
/** A datagram that has not come by then is lost. */
const QUIET_MS = 5000;
const PERL = ["/usr/bin/perl", "-MSocket", "-e"];

/** Numbered datagrams with a known pattern, and what came of them. */
export class NumberedFlow {
  readonly pattern = `OVLTUN-PLAINTEXT-${randomBytes(8).toString("hex")}`;
  /** The numbers in the order in which they came; -1: changed on the way. */
  readonly received: number[] = [];
  readonly #from: Host;
  readonly #address: string;
  readonly #stop: () => Promise<unknown>;
  readonly #ready: Promise<void>;

  constructor(from: Host, to: Host, address: string) {
    this.#from = from;
    this.#address = address;
    const child = to.spawn([...PERL, RECEIVE, this.pattern]);
    let rest = "";
    let opened = () => {};
    this.#ready = new Promise((resolve) => opened = resolve);
    child.stdout!.setEncoding("utf8").on("data", (text: string) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      for (const line of lines) {
        if (line === "ready") opened();
        else this.received.push(line.endsWith(" 1") ? Number(line.split(" ")[0]) : -1);
      }
    });
    const ended = collect(child, { timeoutMs: 200_000 });
    this.#stop = async () => {
      child.kill("SIGKILL");
      await ended;
    };
  }

  /** Sends `count` datagrams, one in `pauseMs`, and waits until all have come, or none for QUIET_MS. */
  async send(count: number, pauseMs = 1): Promise<void> {
    await this.#ready;
    const before = this.received.length;
    const { code, stderr } = await this.#from.run(
      [...PERL, SEND, this.#address, `${count}`, this.pattern, `${pauseMs / 1000}`],
      { timeoutMs: 60_000 + 4 * count * (pauseMs + 1) },
    );
    if (code !== 0) throw new Error(`Cannot send datagrams: ${stderr}`);
    let seen = -1;
    for (let quiet = 0; this.received.length - before < count && quiet < QUIET_MS; quiet += 20) {
      if (this.received.length !== seen) quiet = 0;
      seen = this.received.length;
      await sleep(20);
    }
  }

  /** How many came more than once, or changed. */
  faults(): number {
    return this.received.filter((n) => n < 0).length + this.received.length - new Set(this.received).size;
  }

  async close(): Promise<void> {
    await this.#stop();
  }
}
