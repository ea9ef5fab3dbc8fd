/**
 * The shipped units under a real systemd, by the words of README: a mesh founded and joined by hand becomes a service.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { TOP, until } from "./host.ts";
import { type Machine, reasonNotToBoot, withMachines } from "./machine.ts";
import { withHosts } from "./mesh.ts";
import { blockWith, shellBlocks } from "./readme.ts";

const AS_A_SERVICE = blockWith(
  shellBlocks("README.md", "## As a service"),
  "systemctl enable --now ovltun\n",
);
const RULES = "iptables -t raw -S PREROUTING; iptables -S DOCKER-USER; iptables -t nat -S POSTROUTING";

async function settings(machine: Machine, ...lines: string[]): Promise<void> {
  await machine.sh(`printf '%s\\n' ${lines.map((line) => `'${line}'`).join(" ")} > /etc/default/ovltun`);
}

const journal = (machine: Machine) => machine.sh("journalctl -u ovltun --no-pager -o cat");

async function assertReaches(from: Machine, to: Machine): Promise<void> {
  await from.sh("ovltun wait --peers 1 --timeout 30s");
  await from.sh(`ovltun ping ${to.name} -c 1`);
}

/** What README does by ssh and by hand, then its block. */
async function becomeServices(alpha: Machine, beta: Machine): Promise<void> {
  alpha.spawn(["ovltun", "up", "--network", "10.42.0.0/16"]);
  await alpha.sh("ovltun wait --timeout 30s");
  beta.spawn(["ovltun", "join"]).stdin!.end(await alpha.sh("ovltun token"));
  await assertReaches(beta, alpha);
  for (const machine of [alpha, beta]) {
    for (const unit of ["ovltun", "ovltun-docker"]) {
      await machine.run(
        ["sh", "-c", `cat > /etc/systemd/system/${unit}.service`],
        readFileSync(join(TOP, "packaging", `${unit}.service`), "utf8"),
      );
    }
    await machine.sh(AS_A_SERVICE);
  }
}

async function assertFewRights(machine: Machine): Promise<void> {
  const status = await machine.sh("cat /proc/$(systemctl show -p MainPID --value ovltun)/status");
  assert.match(status, /^CapEff:\t0*1000$/m, "CAP_NET_ADMIN and no other");
  assert.match(status, /^NoNewPrivs:\t1$/m);
  assert.match(status, /^Seccomp:\t2$/m);
  const unit = "/etc/systemd/system/ovltun.service";
  await machine.sh(
    `systemd-analyze verify ${unit} && systemd-analyze security --offline=yes --threshold=24 ${unit}`,
  );
  assert.equal(
    await machine.sh("systemctl show -p StartLimitIntervalUSec --value ovltun"),
    "0",
    "tried for ever",
  );
}

/** Docker's rules come with Docker, also after it lost them. */
async function assertRules(machine: Machine): Promise<void> {
  const subnet = /FLANNEL_SUBNET=([\d.]+)\.1\//.exec(await machine.sh("cat /run/ovltun/subnet.env"))![1]!;
  await machine.sh("systemctl restart docker");
  // Each table is read by itself, perhaps between two of the rules.
  const wanted = [
    `-A PREROUTING -s 10.42.0.0/16 -d ${subnet}.0/24 -j ACCEPT`,
    `-A DOCKER-USER -s 10.42.0.0/16 -d ${subnet}.0/24 -j ACCEPT`,
    `-A POSTROUTING -s ${subnet}.0/24 ! -d 10.42.0.0/16 -j MASQUERADE`,
  ];
  await until("the rules are there", 30_000, async () => {
    const text = await machine.sh(RULES);
    return wanted.every((rule) => text.includes(rule)) ? true : null;
  });
}

const skip = reasonNotToBoot(["docker", "dockerd", "iptables"]);
const NAME =
  "A host that founded or joined by hand goes on as a service, with few rights and without settings";

test(skip === false ? NAME : `${NAME} (skipped: ${skip})`, { skip }, async () => {
  await withHosts(2, async (hosts, folder) => {
    await withMachines(hosts, folder, "", async (machines) => {
      const [alpha, beta] = machines as [Machine, Machine];
      await becomeServices(alpha, beta);
      for (const [from, to] of [[alpha, beta], [beta, alpha]] as const) await assertReaches(from, to);
      await assertFewRights(beta);
      await assertRules(beta);

      // It comes back after a crash; meanwhile subnet.env is there for others.
      await beta.sh("kill -9 $(systemctl show -p MainPID --value ovltun)");
      await until("it failed", 30_000, async () => {
        return await beta.sh("systemctl show -p NRestarts --value ovltun") === "1" ? true : null;
      });
      await beta.sh("cat /run/ovltun/subnet.env");
      await assertReaches(beta, alpha);

      // A member needs no secret file; one that is named and missing is worth a warning.
      await settings(beta, "OVLTUN_SECRET_FILE=/etc/ovltun.secret", "OVLTUN_WORKERS=2");
      await beta.sh("systemctl restart ovltun");
      await assertReaches(beta, alpha);
      assert.match(await journal(beta), /ovltun\.secret": no such file; using the secret/);

      // A new host needs it, is told what to do, and is not started again and again.
      await beta.sh("systemctl stop ovltun && ovltun down --purge");
      const joining = ["OVLTUN_SECRET_FILE=/etc/ovltun.secret", "OVLTUN_PEERS=10.99.0.1,10.99.0.2"];
      await settings(beta, ...joining);
      assert.notEqual((await beta.run(["systemctl", "start", "ovltun"])).code, 0);
      assert.match(
        await journal(beta),
        /On the first host of a mesh, create it: .*on every other host, copy that file/,
      );
      const show = "systemctl show -p ActiveState,ExecMainStatus,NRestarts --value ovltun";
      assert.deepEqual((await beta.sh(show)).split("\n").sort(), ["0", "2", "failed"]);
      const secret = await alpha.sh("cat /var/lib/ovltun/secret");
      await beta.sh("umask 077; cat > /etc/ovltun.secret", secret);
      await beta.sh("systemctl start ovltun");
      await assertReaches(alpha, beta);
      await assertRules(beta);

      // The sandbox lets it forward and masquerade, and no more.
      await settings(beta, ...joining, "OVLTUN_FORWARD=true", "OVLTUN_IP_MASQ=true");
      await beta.sh("systemctl stop ovltun; sysctl -qw net.ipv4.ip_forward=0; systemctl start ovltun");
      const rights = "sysctl -n net.ipv4.ip_forward; nft list tables | grep ovltun";
      assert.equal(await beta.sh(rights), "1\ntable ip ovltun-10.42.0.0/16");
      await beta.sh("systemctl stop ovltun");
      assert.equal(
        await beta.sh("sysctl -n net.ipv4.ip_forward; nft list tables | grep ovltun || true"),
        "0",
      );
      await settings(beta, ...joining);
      await beta.sh("systemctl start ovltun");
      await assertReaches(alpha, beta);

      // Its directories are taken away: what systemd alone may make again is said, and comes with a restart.
      await beta.sh("rm -rf /run/ovltun /var/lib/ovltun");
      await until("the run directory is made again", 30_000, async () => {
        return (await beta.run(["ovltun", "status"])).code === 0 ? true : null;
      });
      await until("the state directory is missed", 30_000, async () => {
        return /"\/var\/lib\/ovltun": EROFS \(.* has to be restarted/.test(await journal(beta)) ? true : null;
      });
      await beta.sh("systemctl restart ovltun");
      await assertReaches(alpha, beta);

      await beta.sh("systemctl disable --now ovltun && ovltun down --purge");
      assert.equal(
        await beta.sh("ls -d /run/ovltun /var/lib/ovltun /sys/class/net/ovl0 2>/dev/null || true"),
        "",
      );
    });
  });
});
