/**
 * The recipe for Docker in README and docs/docker.md, as it stands there, between containers on two hosts that boot. The short form has Debian's
 * own Docker, a Docker network over the tunnel and docker0 over direct routes; OVLTUN_LONG=1 has both over every backend,
 * and the same on the newer Docker of sid, which is unpacked beside this machine's.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { dockerOfSid } from "./docker_of_sid.ts";
import { type Host, until } from "./host.ts";
import { Machine, reasonNotToBoot, withMachines } from "./machine.ts";
import { figure, withHosts } from "./mesh.ts";
import { blockWith, shellBlocks } from "./readme.ts";

const CONTAINERS = shellBlocks("README.md", "## Containers");
const NETWORK = blockWith(CONTAINERS, "docker network create");
const RULES = blockWith(CONTAINERS, "DOCKER-USER");
const DOCKER0 = blockWith(shellBlocks("docs/docker.md", "## docker0 instead of a network"), "daemon.json");

/** Flags of every node of a mesh. */
const MESHES: Readonly<Record<string, readonly string[]>> = {
  "udp, sealed": [],
  "vxlan": ["--plain", "--backend", "vxlan"],
  "host-gw": ["--plain", "--backend", "host-gw"],
  "direct routes in a sealed mesh": ["--direct-routing", "--allow-plain-direct"],
};
type Network = "a network" | "docker0";

/** busybox with a page, as an image. */
const IMAGE = `
  mkdir -p /tmp/image/bin /tmp/image/www
  cp /bin/busybox /tmp/image/bin/
  for applet in sh ping wget httpd; do ln -s busybox /tmp/image/bin/$applet; done
  cat /etc/hostname > /tmp/image/www/index.html
  tar -C /tmp/image -c . | docker import - web
`;
/** What a page says, asked for from the machine itself: a static busybox would not resolve there. */
const pageOf = (address: string, port: number) =>
  `exec 3<>/dev/tcp/${address}/${port}; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; tail -n 1 <&3`;
const ADDRESS = "docker inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' web";

/** Two machines in one mesh. */
async function startMesh([alpha, beta]: [Machine, Machine], flags: readonly string[]): Promise<void> {
  alpha.spawn(["ovltun", "up", "--network", "10.42.0.0/16", ...flags]);
  await alpha.sh("ovltun wait --timeout 30s");
  const join = flags.filter((flag) => /^--(plain|direct|allow)/.test(flag));
  const token = await alpha.sh("ovltun token");
  beta.spawn(["ovltun", "join", ...join]).stdin!.end(token);
  for (const machine of [alpha, beta]) await machine.sh("ovltun wait --peers 1 --timeout 30s");
}

/** A web server in a container: port 80 is published as 8080, 81 is not published. Returns its address. */
async function startContainer(machine: Machine, network: Network | "no recipe"): Promise<string> {
  const where = network === "a network" ? "--network mesh" : "";
  await machine.sh(
    `docker run -d --stop-signal KILL --name web -p 8080:80 ${where} web httpd -f -h /www -p 80`,
  );
  await machine.sh("docker exec -d web httpd -f -h /www -p 81");
  return await machine.sh(ADDRESS);
}

const nodeOf = async (machine: Machine) => /^lease +([\d.]+)/m.exec(await machine.sh("ovltun status"))![1]!;

/** Everything that may be asked of containers, from one machine to the other one. */
async function assertReached(from: Machine, to: Machine): Promise<void> {
  const [container, node] = [await to.sh(ADDRESS), await nodeOf(to)];
  const own = await from.sh(ADDRESS);
  const inside = (command: string) => `docker exec web ${command}`;
  const ping = async (command: string) => {
    const { stdout } = await from.run(["sh", "-c", command]);
    return `${command}: ${/([\d.]+)% packet loss/.exec(stdout)?.[1] ?? stdout} % loss`;
  };
  for (
    const command of [
      inside(`ping -c 5 -i 0.2 -W 2 -q ${container}`),
      inside(`ping -c 5 -i 0.2 -W 2 -q ${node}`),
    ]
  ) {
    assert.equal(await ping(command), `${command}: 0 % loss`);
  }
  const fromNode = `ping -c 5 -i 0.2 -W 2 -q ${container}`;
  assert.equal(await ping(fromNode), `${fromNode}: 0 % loss`);
  const page = (command: string) => until(`${from.name}: ${command}`, 30_000, () => from.sh(command));
  assert.equal(await page(inside(`wget -q -O - http://${container}:81/`)), to.name);
  assert.equal(await page(inside(`wget -q -O - http://${node}:8080/`)), to.name);
  assert.equal(await page(pageOf(container, 81)), to.name);
  // Containers are seen by their own addresses, and leave the mesh by the host's.
  const seen = to.run(["sh", "-c", `timeout 30 tcpdump -nlc 1 -i any icmp and dst ${container} 2>/dev/null`]);
  await until("a ping is seen", 30_000, async () => {
    await from.sh(inside(`ping -c 1 -W 1 -q ${container}`));
    return await Promise.race([
      seen.then(() => true),
      new Promise<null>((r) => setTimeout(() => r(null), 50)),
    ]);
  });
  assert.match((await seen).stdout, new RegExp(`${own.replaceAll(".", "\\.")} > `));
  await from.sh(inside(`ping -c 1 -W 2 -q ${to.name === "alpha" ? "10.99.0.1" : "10.99.0.2"}`));
}

async function tryRecipe(
  hosts: readonly Host[],
  folder: string,
  over: string,
  mesh: string,
  network: Network,
): Promise<void> {
  await withMachines(hosts, folder, over, async (machines) => {
    const pair = machines as [Machine, Machine];
    await startMesh(pair, MESHES[mesh]!);
    for (const machine of pair) {
      await machine.sh("systemctl start docker");
      await machine.sh(IMAGE);
      // Published ports need none of the recipe.
      await startContainer(machine, "no recipe");
    }
    const [alpha, beta] = pair;
    for (const [from, to] of [[alpha, beta], [beta, alpha]] as const) {
      const ask = pageOf(await nodeOf(to), 8080);
      assert.equal(await until(ask, 30_000, () => from.sh(ask)), to.name);
    }
    for (const machine of pair) {
      await machine.sh("docker rm -f web");
      await machine.sh(network === "docker0" ? DOCKER0 : NETWORK);
      await machine.sh(RULES);
      await machine.sh(RULES); // pasted again, it changes nothing
      assert.equal(await machine.sh("iptables -S DOCKER-USER | grep -c -- '-s 10.42.0.0/16'"), "1");
      await startContainer(machine, network);
    }
    await assertReached(alpha, beta);
    await assertReached(beta, alpha);
    await beta.sh(
      "systemctl restart docker && docker start web && docker exec -d web httpd -f -h /www -p 81",
    );
    await assertReached(alpha, beta);
    await assertReached(beta, alpha);
  });
}

/** `tree`: the files of another Docker, or "". In CI it must be had. */
function recipeTest(what: string, tree: () => string, cases: [string, Network][]): void {
  const skip = reasonNotToBoot(["docker", "dockerd", "iptables", "/bin/busybox", "tcpdump"]);
  for (const [mesh, network] of cases) {
    const name = `README's recipe for Docker ${what}: ${network} over ${mesh}`;
    test(skip === false ? name : `${name} (skipped: ${skip})`, { skip }, async (t) => {
      let over: string;
      try {
        over = tree();
      } catch (error) {
        if (process.env.CI) throw error;
        console.log(`skipped: ${name}: ${(error as Error).message}`);
        return t.skip();
      }
      const began = performance.now();
      await withHosts(2, (hosts, folder) => tryRecipe(hosts, folder, over, mesh, network));
      figure(`${name}: 0 % lost, ${((performance.now() - began) / 1000).toFixed(0)} s`);
    });
  }
}

const all = Object.keys(MESHES).flatMap((mesh) =>
  (["a network", "docker0"] as const).map((network): [string, Network] => [mesh, network])
);
const LONG = process.env.OVLTUN_LONG === "1";
recipeTest(
  "of this machine",
  () => "",
  LONG ? all : [["udp, sealed", "a network"], ["direct routes in a sealed mesh", "docker0"]],
);
if (LONG) recipeTest("of sid", dockerOfSid, all);
