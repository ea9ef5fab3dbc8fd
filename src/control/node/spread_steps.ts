// What is told unasked, by the clock: news to three random peers, and a synchronisation with somebody every few seconds for
// what was lost on the way.

import { FANOUT } from "../members/dissemination.ts";
import { pack, packDirectives } from "../records/packing.ts";
import type { Core } from "./core.ts";
import { beginSync } from "./sync_steps.ts";

const ANTI_ENTROPY_MS = 3000;

/** News to three random peers, when a round is due. */
export function spreadNews({ agreed, news, messages, directives, random, voice }: Core, now: number): void {
  const links = agreed.all();
  if (links.length === 0) return;
  const round = news.round(now);
  if (round.length === 0) return;
  const items = messages.itemsOf(round);
  const parcels = pack(items.records, items.statements);
  const decided = round.filter((n) => n.kind === "directive").map((n) => directives.about(n.id));
  const told = packDirectives(decided.filter((d) => d !== undefined).map(({ raw }) => raw));
  for (let n = 0; n < FANOUT && links.length > 0; n++) {
    const link = links.splice(random.below(links.length), 1)[0]!;
    for (const parcel of parcels) voice.say(link, { kind: "push", ack: false, ...parcel });
    for (const directives of told) voice.say(link, { kind: "push", ack: false, directives });
  }
}

/** A synchronisation with one random member (anti-entropy), when it is due. */
export function tickSync(core: Core, now: number): void {
  if (!core.life.member || !core.schedule.due("anti-entropy", ANTI_ENTROPY_MS, now)) return;
  const links = core.agreed.all();
  if (links.length > 0) beginSync(core, links[core.random.below(links.length)]!, now);
}
