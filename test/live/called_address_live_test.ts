/**
 * A host with several addresses answers from the one that was called, and data goes that way, too: a second address of
 * the same link, one on lo that is routed here, IPv6; plain and sealed; with one Worker and with two. The other host lets
 * in only what answers it, as a NAT would.
 */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Host, until } from "./host.ts";
import { liveTest, NETWORK, transfer, withHosts } from "./mesh.ts";

const SECOND = "10.99.0.101";
const ROUTED = "10.50.0.1";

const CHAIN = `
  nft add table inet nat
  nft add chain inet nat in '{ type filter hook input priority 0; }'
`;
/** Nothing comes in over the underlay but answers to what this host sent. */
const ONLY_ANSWERS = `${CHAIN} nft add rule inet nat in iifname eth0 meta l4proto udp ct state new drop`;
/** Nothing comes in but from that address: the second Worker has a port of its own. */
const ONLY_ROUTED = `${CHAIN} nft add rule inet nat in iifname eth0 ip saddr != ${ROUTED} drop`;

interface Case {
  readonly called: string;
  readonly sealed: boolean;
  readonly workers: number;
  readonly backend: string;
}

async function meets([alpha, beta]: readonly [Host, Host], folder: string, one: Case): Promise<void> {
  const secret = join(folder, "secret");
  if (one.sealed) writeFileSync(secret, "correct horse battery staple\n", { mode: 0o600 });
  const flags = [...(one.sealed ? ["--secret-file", secret] : []), "--workers", `${one.workers}`];
  alpha.up("compiled", ["--network", NETWORK, "--backend", one.backend, ...flags]);
  beta.up("compiled", ["--peers", one.called, ...flags]);
  const [, there] = await Promise.all([alpha.daemon.ready(1, 20_000), beta.daemon.ready(1, 20_000)]);
  const here = await alpha.daemon.status();
  await until("both reach each other", 10_000, async () => {
    const losses = [await beta.pingLoss(here.node.address!), await alpha.pingLoss(there.node.address!)];
    return losses.every((loss) => loss === 0) ? losses : null;
  });
  await transfer(alpha, beta, there.node.address!, 3_000_000);
  await transfer(beta, alpha, here.node.address!, 3_000_000);
  const peer = (await beta.daemon.status()).peers[0]!;
  assert.ok(
    peer.endpoint!.includes(one.called.replace(/^\[|\]$/g, "")),
    `${peer.endpoint} for ${one.called}`,
  );
}

async function twoAddresses(
  fn: (hosts: [Host, Host], folder: string) => Promise<void>,
  filter = ONLY_ANSWERS,
): Promise<void> {
  await withHosts(2, async (hosts, folder) => {
    const [alpha, beta] = hosts as [Host, Host];
    await alpha.sh(`
      ip address add ${SECOND}/24 dev eth0
      ip link set lo up; ip address add ${ROUTED}/32 dev lo
      ip -6 address add fd99::1/64 dev eth0 nodad; ip -6 address add fd99::101/64 dev eth0 nodad
    `);
    await beta.sh(`
      ip route add ${ROUTED}/32 via 10.99.0.1
      ip -6 address add fd99::2/64 dev eth0 nodad
      ${filter}
    `);
    await fn([alpha, beta], folder);
  });
}

async function unusedIpv6(alpha: Host): Promise<string> {
  const chosen = await alpha.sh("ip -6 route get fd99::2");
  return chosen.includes("src fd99::101") ? "[fd99::1]" : "[fd99::101]";
}

liveTest(
  "a second address of the same link: plain, data and VXLAN leave from where they were called",
  async () => {
    await twoAddresses((hosts, folder) =>
      meets(hosts, folder, { called: SECOND, sealed: false, workers: 1, backend: "udp" })
    );
    await twoAddresses((hosts, folder) =>
      meets(hosts, folder, { called: SECOND, sealed: false, workers: 1, backend: "vxlan" })
    );
  },
);

liveTest("an address on lo: sealed, through what lets in only answers, with two Workers", async () => {
  await twoAddresses(async (hosts, folder) => {
    await meets(hosts, folder, { called: ROUTED, sealed: true, workers: 2, backend: "udp" });
    // The address goes: what alpha says leaves by another, and nothing is lost on its way out of the host; beta follows.
    const [alpha, beta] = hosts;
    await beta.sh("nft delete table inet nat");
    await alpha.sh(`ip address del ${ROUTED}/32 dev lo`);
    const address = (await beta.daemon.status()).node.address!;
    await until(
      "alpha reaches beta again",
      10_000,
      async () => await alpha.pingLoss(address) === 0 ? true : null,
    );
    const { drops } = await alpha.daemon.status();
    assert.equal(drops["send-failed"], 0);
  }, ONLY_ROUTED);
});

liveTest("the IPv6 address that the kernel would not choose: plain and sealed", async () => {
  for (const sealed of [false, true]) {
    await twoAddresses(async (hosts, folder) => {
      await meets(hosts, folder, { called: await unusedIpv6(hosts[0]), sealed, workers: 1, backend: "udp" });
    });
  }
});
