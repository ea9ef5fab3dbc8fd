/**
 * Hosts that boot: systemd as the first process of namespaces of its own, over a copy-on-write view of this machine's
 * files, in the network of a live test's host. Docker, units and the default paths of ovltun are those of a real host,
 * and nothing that is done inside is seen outside. A machine ends with the test process, however that ends: the
 * script that keeps it reads a pipe, and the kernel ends a pid namespace with its first process.
 */
import assert from "node:assert/strict";
import { type ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { collect, type Finished, type Host, TOP, until } from "./host.ts";
import { reasonToSkip } from "./mesh.ts";

const PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const BOOT_MS = 60_000;

/** Prints the pid of the machine's systemd, keeps the machine until stdin ends, then removes its control groups. */
const KEEPER = `
set -eu
folder=$1
mkdir -p "$folder/cgroup" "$folder/files"
mount -t cgroup2 cgroup2 "$folder/cgroup"
group=$folder/cgroup/ovltun-test-$$
mkdir "$group"
sh -c 'echo $$ > "$1/cgroup.procs"; shift; exec "$@"' _ "$group" \\
  unshare --mount --pid --fork --kill-child --uts --ipc --cgroup sh -c "$2" _ "$@" >&2 </dev/null &
child=$!
until grep -q . "/proc/$child/task/$child/children" 2>/dev/null; do kill -0 "$child"; sleep 0.02; done
cut -d' ' -f1 "/proc/$child/task/$child/children"
cat >/dev/null
kill -9 "$child" 2>/dev/null || true
wait || true
i=0 # what was in the machine takes a while to die
until find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || [ "$i" = 200 ]; do
  i=$((i + 1))
  sleep 0.1
done
`;

/**
 * Lays the files out and becomes systemd. Units that this machine starts at boot are left out: only the journal is
 * there, and what the test starts.
 */
const INNER = `
set -eu
folder=$1 name=$3 ovltun=$4 over=$5
mount -t tmpfs tmpfs "$folder/files"
cd "$folder/files"
mkdir up work root usr-up usr-work
mount -t overlay overlay -o "lowerdir=/,upperdir=$PWD/up,workdir=$PWD/work" root
[ -z "$over" ] ||
  mount -t overlay overlay -o "lowerdir=$over/usr:/usr,upperdir=$PWD/usr-up,workdir=$PWD/usr-work" root/usr
cd root
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs tmpfs dev
mkdir dev/net dev/pts dev/shm
for device in null zero full random urandom tty net/tun; do
  touch "dev/$device"
  mount --bind "/dev/$device" "dev/$device"
done
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mkdir -p var/lib/docker var/lib/containerd var/lib/ovltun etc/docker
for place in run tmp var/lib/docker var/lib/containerd var/log; do mount -t tmpfs tmpfs "$place"; done
rmdir var/lib/ovltun
touch usr/local/bin/ovltun
mount --bind "$ovltun" usr/local/bin/ovltun
[ ! -x usr/bin/docker ] || rm -f usr/local/bin/docker
rm -rf etc/docker/daemon.json etc/fstab etc/systemd/system/*.wants etc/default/ovltun
rm -rf usr/lib/systemd/system/sysinit.target.wants usr/lib/systemd/system/local-fs.target.wants
ln -sf /lib/systemd/system/basic.target etc/systemd/system/default.target
tr -d - < /proc/sys/kernel/random/uuid > etc/machine-id
hostname "$name"
echo "$name" > etc/hostname
mkdir -p .outside
pivot_root . .outside
cd /
umount -l .outside
exec env -i container=ovltun-test ${PATH} /lib/systemd/systemd --system --log-target=journal --show-status=no
`;

/** Why no machine can boot here; false where one can. In CI scripts/test has installed what is needed. */
export function reasonNotToBoot(programs: readonly string[]): string | false {
  if (reasonToSkip() !== false || process.env.CI) return reasonToSkip();
  const places = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
  const missing = ["/lib/systemd/systemd", ...programs].filter((program) =>
    program.startsWith("/") ? !existsSync(program) : !places.some((place) => existsSync(join(place, program)))
  );
  return missing.length === 0 ? false : `needs ${missing.join(", ")}`;
}

export class Machine {
  readonly name: string;
  readonly #host: Host;
  readonly #keeper: ChildProcess;
  readonly #pid: string;

  private constructor(host: Host, keeper: ChildProcess, pid: string) {
    this.name = host.name;
    this.#host = host;
    this.#keeper = keeper;
    this.#pid = pid;
  }

  /** Boots in the host's network. `over`: a tree whose `usr` lies over this machine's, or "". */
  static async boot(host: Host, folder: string, over: string): Promise<Machine> {
    const place = join(folder, host.name, "machine");
    const keeper = host.spawn([
      ...["unshare", "--mount", "sh", "-c", `mkdir -p "$1"; ${KEEPER}`, "_"],
      ...[place, INNER, host.name, join(TOP, "dist/ovltun"), over],
    ]);
    let said = "";
    keeper.stderr!.setEncoding("utf8").on("data", (text: string) => said += text);
    const pid = await new Promise<string>((resolve, reject) => {
      keeper.stdout!.setEncoding("utf8").once("data", (text: string) => resolve(text.trim()));
      keeper.once("close", () => reject(new Error(`${host.name} does not boot: ${said}`)));
    });
    const machine = new Machine(host, keeper, pid);
    try {
      await until(`${host.name} has booted (${said})`, BOOT_MS, async () => {
        if (keeper.exitCode !== null) return true;
        const { stdout } = await machine.run(["systemctl", "is-system-running"]);
        return /^(running|degraded)/.test(stdout) ? true : null;
      });
      assert.equal(keeper.exitCode, null, `${host.name} does not boot: ${said}`);
    } catch (error) {
      await machine.close();
      throw error;
    }
    return machine;
  }

  spawn(command: readonly string[]): ChildProcess {
    const enter = ["nsenter", "-t", this.#pid, "-m", "-p", "-u", "-i", "-C"];
    // The directory that a process has when it enters is none of the machine's.
    return this.#host.spawn([
      ...enter,
      ...["env", "-i", PATH, "HOME=/root", "NO_COLOR=1", "sh", "-c", 'cd /; exec "$@"', "_"],
      ...command,
    ]);
  }

  run(command: readonly string[], input = "", timeoutMs = 60_000): Promise<Finished> {
    return collect(this.spawn(command), { input, timeoutMs });
  }

  /** What a person pastes into root's shell; fails the test unless every line of it works. Returns what it printed. */
  async sh(script: string, input = ""): Promise<string> {
    const { code, stdout, stderr } = await this.run(["bash", "-ec", script], input);
    assert.equal(code, 0, `${this.name}: ${script}\n${stdout}${stderr}`);
    return stdout.trim();
  }

  /** Ends everything in it. */
  async close(): Promise<void> {
    if (this.#keeper.exitCode !== null) return;
    const ended = new Promise((resolve) => this.#keeper.once("close", resolve));
    this.#keeper.stdin!.end();
    await ended;
  }
}

/** `fn` with a machine on each host. A failure carries the ends of their journals. */
export async function withMachines(
  hosts: readonly Host[],
  folder: string,
  over: string,
  fn: (machines: Machine[]) => Promise<void>,
): Promise<void> {
  const booted = await Promise.allSettled(hosts.map((host) => Machine.boot(host, folder, over)));
  const machines = booted.flatMap((one) => one.status === "fulfilled" ? [one.value] : []);
  try {
    for (const one of booted) if (one.status === "rejected") throw one.reason;
    await fn(machines);
  } catch (error) {
    for (const machine of machines) {
      const { stdout } = await machine.run(["journalctl", "--no-pager", "-n", "40"]);
      if (error instanceof Error) error.message += `\n${machine.name}:\n${stdout}`;
    }
    throw error;
  } finally {
    await Promise.all(machines.map((machine) => machine.close()));
  }
}
