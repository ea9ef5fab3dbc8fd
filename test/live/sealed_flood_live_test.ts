/**
 * 20,000 handshakes a second from forged sources, into a node that carries traffic: no session ends, new members come in,
 * and traffic goes on. How much of its rate it keeps is printed and not judged: machines with few processors share them
 * with the flood. The aim is 0.8.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { Attacker, withPayload } from "./attacker.ts";
import { answerNobody, flood } from "./flood.ts";
import { type Host, until } from "./host.ts";
import { figure, iperf, liveTest, withHosts } from "./mesh.ts";
import { nodeHmac, stampHandshake } from "../../src/crypto/handshake_mac.ts";
import { NetworkSecret } from "../../src/crypto/network_secret.ts";
import { startSealed } from "./sealed.ts";

const RATE = 20_000;
const SECONDS = 2;
const RUNS = 3;

/** A peer is behind its session, if need be in a moment: the machine may have had no time for its probes. */
async function assertAlive(host: Host, peer: string): Promise<void> {
  await until(`${peer} is alive for ${host.name}`, 5000, async () => {
    const seen = (await host.daemon.peer(peer))!;
    const words = [seen.state, seen.path, seen.security].join(" ");
    if (words !== "alive tunnel sealed") throw new Error(words);
    return true;
  });
}

/**
 * The session of two hosts is the one that was `session` seconds old at `since`. A machine that has no time for their probes
 * makes them take one another for dead: then it may be another, and a figure says so.
 */
async function assertSession(host: Host, peer: Host, session: number, since: number): Promise<void> {
  const passed = (performance.now() - since) / 1000;
  const later = (await host.daemon.peer(peer.name))!.lastHandshakeSeconds!;
  if (later >= session + passed - 0.2) return;
  assert.match(
    `${host.daemon.log()}\n${peer.daemon.log()}`,
    /is dead/,
    "a new session, and neither was silent",
  );
  figure("flood: this machine is too busy for it, two hosts took one another for dead");
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]!;
}

liveTest(`${RATE} handshakes a second from forged sources end no session`, async () => {
  await withHosts(3, async (hosts, folder, between) => {
    const [alpha, beta, gamma] = hosts as [Host, Host, Host];
    const attacker = new Attacker([alpha, beta], between);
    await attacker.open();
    const [here, there] = await startSealed([alpha, beta], folder);
    const first = attacker.seen.find(({ from, payload }) =>
      from === beta && payload[0] === 0x01 && payload[2] === 1
    );
    assert.ok(first !== undefined, "a first message of beta was caught");
    await attacker.close();
    const genuine = withPayload(first.frame, first.payload);
    const wrong = first.payload.slice();
    wrong[wrong.length - 32]! ^= 1;
    const frames = [genuine, withPayload(first.frame, wrong)];
    await answerNobody(alpha);

    const calm: number[] = [], flooded: number[] = [];
    const session = (await beta.daemon.peer("alpha"))!.lastHandshakeSeconds!;
    const since = performance.now();
    for (let run = 0; run < RUNS; run++) {
      calm.push(await iperf(beta, alpha, here!.node.address!, 1));
      const flooding = flood(alpha, between, frames, RATE, SECONDS);
      await sleep(500);
      flooded.push(await iperf(beta, alpha, here!.node.address!, 1));
      const sent = await flooding;
      assert.ok(sent > 0, "the flood left");
      const { drops, counters } = await alpha.daemon.status();
      figure(
        `run ${run + 1}: ${calm[run]!.toFixed(0)} Mbit/s calm, ${flooded[run]!.toFixed(0)} with ${
          (sent / SECONDS).toFixed(0)
        } handshakes/s; bad-mac ${drops["bad-mac"]}, replay ${drops["replay"]}, control-overload ${
          drops["control-overload"]
        }, cookies ${counters["cookie-sent"]}`,
      );
    }
    const kept = median(flooded) / median(calm);
    figure(
      `handshake flood of ${RATE}/s: the flow keeps ${
        (100 * kept).toFixed(0)
      } % of its rate (medians of ${RUNS})`,
    );
    await assertAlive(beta, "alpha");
    await assertSession(beta, alpha, session, since);

    // A new member comes in during a flood.
    const flooding = flood(alpha, between, frames, RATE, SECONDS);
    const began = performance.now();
    gamma.up("compiled", ["--secret-file", `${alpha.stateDir}/secret`, "--peers", alpha.underlay]);
    const { node } = await gamma.daemon.ready(2);
    figure(`a member joins during the flood: ${(performance.now() - began).toFixed(0)} ms from its start`);
    await flooding;
    assert.equal(await alpha.pingLoss(node.address!), 0);
    assert.equal(await alpha.pingLoss(there!.node.address!), 0);
  });
});

liveTest(`${RATE} first messages a second of one who has the secret end no session`, async () => {
  await withHosts(2, async (hosts, folder, between) => {
    const [alpha, beta] = hosts as [Host, Host];
    const attacker = new Attacker(hosts, between);
    await attacker.open();
    const [here] = await startSealed(hosts, folder);
    const first = attacker.seen.find(({ from, payload }) =>
      from === beta && payload[0] === 0x01 && payload[2] === 1
    );
    assert.ok(first !== undefined, "a first message of beta was caught");
    await attacker.close();
    const secret = readFileSync(`${alpha.stateDir}/secret`, "utf8").trim();
    const { macKey } = NetworkSecret.parse(secret, "ovltun").keys("ovltun");
    // Unlike one another, each with the right MAC: the gate asks for cookies, which forged sources cannot show.
    const frames = Array.from({ length: 300 }, (_, i) => {
      const payload = first.payload.slice();
      payload.set([i >> 8, i & 255], 16);
      stampHandshake(nodeHmac, macKey, payload, null);
      return withPayload(first.frame, payload);
    });
    await answerNobody(alpha);
    const calm = await iperf(beta, alpha, here!.node.address!, 1);
    const flooding = flood(alpha, between, frames, RATE, SECONDS);
    await sleep(500);
    const flooded = await iperf(beta, alpha, here!.node.address!, 1);
    const sent = await flooding;
    const { drops, counters } = await alpha.daemon.status();
    figure(
      `an insider's flood of ${(sent / SECONDS).toFixed(0)}/s: ${flooded.toFixed(0)} of ${
        calm.toFixed(0)
      } Mbit/s; ` +
        `cookies ${counters["cookie-sent"]}, control-overload ${drops["control-overload"]}, replay ${
          drops["replay"]
        }`,
    );
    assert.ok(counters["cookie-sent"]! > 0, "cookies are asked for");
    await assertAlive(beta, "alpha");
    assert.equal(await beta.pingLoss(here!.node.address!), 0);
  });
});

liveTest(`${RATE} forged hellos and gossip a second make nobody seem dead, and a member joins`, async () => {
  await withHosts(3, async (hosts, folder, between) => {
    const [alpha, beta, gamma] = hosts as [Host, Host, Host];
    const attacker = new Attacker([alpha, beta], between);
    await attacker.open();
    const [, there] = await startSealed([alpha, beta], folder);
    const first = attacker.seen.find(({ from, payload }) => from === beta && payload[0] === 0x01)!;
    await attacker.close();
    // Gossip under the network key as if of beta, but for the seal; a hello; plain gossip; an answer to a probe.
    const gossip = first.payload.slice(0, 300);
    gossip.set([0x20, 1, first.payload[14]!, first.payload[15]!]);
    gossip.set(Buffer.from(there!.node.id, "hex"), 4);
    const others = [[0x03, 1, 0], [0x21, 1, 0], [0x30, 1, 1]].map((head, i) => {
      const payload = first.payload.slice(0, [160, 100, 32][i]!);
      payload.set(head);
      return payload;
    });
    const frames = [gossip, ...others].map((payload) => withPayload(first.frame, payload));
    const session = (await alpha.daemon.peer("beta"))!.lastHandshakeSeconds!;
    const since = performance.now();
    const answers = alpha.answers(there!.node.address!, 100, 50);
    const flooding = flood(alpha, between, frames, RATE, 5);
    const began = performance.now();
    gamma.up("compiled", ["--secret-file", `${alpha.stateDir}/secret`, "--peers", alpha.underlay]);
    await gamma.daemon.ready(2);
    const joined = performance.now() - began;
    const sent = await flooding;
    const lost = 100 - await answers;
    const { drops } = await alpha.daemon.status();
    figure(
      `${(sent / 5).toFixed(0)} forged hellos and gossip/s: a member joins in ${
        joined.toFixed(0)
      } ms, ${lost} % of pings ` +
        `lost; control-overload ${drops["control-overload"]}, control-rejected ${drops["control-rejected"]}`,
    );
    // What a flood displaces from a buffer may be a ping or a probe; what it says itself is believed by nobody.
    for (const host of hosts) {
      for (const other of hosts) if (other !== host) await assertAlive(host, other.name);
    }
    await assertSession(alpha, beta, session, since);
    assert.equal(await alpha.pingLoss(there!.node.address!), 0);
  });
});
