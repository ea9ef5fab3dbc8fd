/**
 * The claims and reservations of all nodes, decided as they change: only those are looked at again that share an address
 * with what changed, directly or by others between them. Two prefixes overlap when one contains the other, so they fall into
 * fields: each widest prefix that is claimed, with all that lies within it. A claim of both families is in two fields and ties
 * them together. In an honest mesh all leases of a family have one length, and nothing overlaps but what is contested. The
 * answer is that of holdings() over all of them (claims.ts), which the tests compare it with.
 */

import { type Address, isIpv4 } from "../../wire/address.ts";
import { hostPrefix, isInside, networkOf, Prefix } from "../../wire/prefix.ts";
import { subnetsOf } from "../records/record.ts";
import { compareContenders, type Contender, holdings, type Loss } from "./claims.ts";

/** A prefix that no other contains, and what lies within. */
interface Field {
  readonly widest: Prefix;
  /** BOUNDED: all claims at most */
  readonly within: { readonly subnet: Prefix; readonly contender: Contender }[];
}

/** As it is kept: nearly all fields are of one claim, and of these there may be thousands. */
type KeptField = Contender | Field;

export class Contest {
  // BOUNDED: one per prefix that is claimed; by the text of the widest
  readonly #fields = new Map<string, KeptField>();
  // How many fields there are of each length, of IPv4 and of IPv6: where to look for one that contains a prefix.
  readonly #lengths = [new Map<number, number>(), new Map<number, number>()] as const;
  // BOUNDED: one per node that contends, and one per reservation; alone where it is one claim
  readonly #byKey = new Map<string, Contender | readonly Contender[]>();
  // BOUNDED: one per claim; those that lost, and to whom
  readonly #lost = new Map<Contender, Loss>();
  // BOUNDED: one per node that lost to another, or that another lost to
  readonly #losses = new Map<string, Set<Loss>>();
  /** Contenders that were decided about so far: what the work is measured by. */
  decided = 0;

  /** What a node (by its id) contends for from now on, or a reservation (by its key) stands for, in place of what it did. */
  set(key: string, contenders: readonly Contender[]): void {
    const before = this.#of(key);
    if (sameContenders(before, contenders)) return;
    const touched = new Set<Contender>();
    for (const one of before) {
      for (const subnet of subnetsOf(one)) this.#remove(subnet, one, touched);
      this.#settle(one, null);
    }
    for (const one of contenders) {
      for (const subnet of subnetsOf(one)) this.#add(subnet, one);
      touched.add(one);
    }
    if (contenders.length === 0) this.#byKey.delete(key);
    else this.#byKey.set(key, contenders.length === 1 ? contenders[0]! : contenders);
    for (const one of before) touched.delete(one);
    this.#decide(touched);
  }

  #of(key: string): readonly Contender[] {
    const those = this.#byKey.get(key) ?? [];
    return "nodeId" in those ? [those] : those;
  }

  /** Everything that is contended for. */
  *all(): Iterable<Contender> {
    for (const those of this.#byKey.values()) {
      if ("nodeId" in those) yield those;
      else yield* those;
    }
  }

  *held(): Iterable<Contender> {
    for (const contender of this.all()) if (!this.#lost.has(contender)) yield contender;
  }

  lost(): Iterable<Loss> {
    return this.#lost.values();
  }

  /** In which a node has lost, or another to it. */
  lossesOf(nodeId: string): Iterable<Loss> {
    return this.#losses.get(nodeId) ?? [];
  }

  /** What a node holds of all that it contends for, or a reservation of what it stands for. */
  heldBy(key: string): Contender[] {
    return this.#of(key).filter((one) => !this.#lost.has(one));
  }

  /** What is held around an address. */
  heldAround(address: Address): Contender[] {
    const within = this.#fieldAround(hostPrefix(address))?.within ?? [];
    return within.map(({ contender }) => contender).filter((one) => !this.#lost.has(one));
  }

  #add(subnet: Prefix, contender: Contender): void {
    const around = this.#fieldAround(subnet);
    if (around !== undefined) {
      around.within.push({ subnet, contender });
      return this.#keep(around);
    }
    const inside = this.#fieldsInside(subnet);
    for (const field of inside) this.#dissolve(field);
    this.#found(subnet, [{ subnet, contender }, ...inside.flatMap(({ within }) => within)]);
  }

  #remove(subnet: Prefix, contender: Contender, touched: Set<Contender>): void {
    const field = this.#fieldAround(subnet)!;
    const { widest, within } = field;
    within.splice(within.findIndex((one) => one.contender === contender && one.subnet === subnet), 1);
    for (const one of within) touched.add(one.contender);
    if (within.some((one) => one.subnet.text === widest.text)) return this.#keep(field);
    this.#dissolve(field);
    // Without its widest it falls apart: the next widest first, so that none has to be joined again.
    const rest = [...within].sort((a, b) => a.subnet.length - b.subnet.length);
    for (const one of rest) {
      const around = this.#fieldAround(one.subnet);
      if (around === undefined) this.#found(one.subnet, [one]);
      else {
        around.within.push(one);
        this.#keep(around);
      }
    }
  }

  #fieldAround(subnet: Prefix): Field | undefined {
    for (const length of this.#lengthsLike(subnet).keys()) {
      if (length > subnet.length) continue;
      const { text } = length === subnet.length ? subnet : networkOf(new Prefix(subnet.address, length));
      const field = this.#fields.get(text);
      if (field !== undefined) return fieldOf(field, text);
    }
    return undefined;
  }

  #fieldsInside(subnet: Prefix): Field[] {
    // Of its own family: an IPv6 /64 is shorter than any of IPv4, and contains none.
    if (![...this.#lengthsLike(subnet).keys()].some((length) => length > subnet.length)) return [];
    const lengths = this.#lengthsLike(subnet);
    return [...this.#fields].map(([text, field]) => fieldOf(field, text)).filter(({ widest }) =>
      this.#lengthsLike(widest) === lengths && isInside(widest, subnet)
    );
  }

  // A field of one claim comes out of fieldOf() anew each time: what is changed is put back.
  #keep(field: Field): void {
    const [first] = field.within;
    this.#fields.set(field.widest.text, field.within.length === 1 ? first!.contender : field);
  }

  #found(widest: Prefix, within: Field["within"]): void {
    this.#keep({ widest, within });
    const lengths = this.#lengthsLike(widest);
    lengths.set(widest.length, (lengths.get(widest.length) ?? 0) + 1);
  }

  #dissolve({ widest }: Field): void {
    this.#fields.delete(widest.text);
    const lengths = this.#lengthsLike(widest);
    const left = lengths.get(widest.length)! - 1;
    if (left === 0) lengths.delete(widest.length);
    else lengths.set(widest.length, left);
  }

  #lengthsLike({ address }: Prefix): Map<number, number> {
    return this.#lengths[isIpv4(address) ? 0 : 1];
  }

  // Each of these, with all that it is tied to.
  #decide(touched: Set<Contender>): void {
    for (const first of touched) {
      const tied = this.#tiedTo(first);
      this.decided += tied.size;
      const { held, lost } = holdings([...tied]);
      for (const one of held) this.#settle(one, null);
      for (const loss of lost) this.#settle(loss.claim, loss);
      for (const one of tied) touched.delete(one);
    }
  }

  #tiedTo(first: Contender): Set<Contender> {
    const tied = new Set([first]);
    const seen = new Set<string>();
    for (const one of tied) {
      for (const subnet of subnetsOf(one)) {
        const field = this.#fieldAround(subnet)!;
        if (seen.has(field.widest.text)) continue;
        seen.add(field.widest.text);
        for (const { contender } of field.within) tied.add(contender);
      }
    }
    return tied;
  }

  // Null: it holds what it claims, or contends no more.
  #settle(contender: Contender, fate: Loss | null): void {
    const before = this.#lost.get(contender);
    if (before !== undefined) this.#note(before, "delete");
    if (fate === null) this.#lost.delete(contender);
    else {
      this.#lost.set(contender, fate);
      this.#note(fate, "add");
    }
  }

  #note(loss: Loss, change: "add" | "delete"): void {
    for (const id of new Set([loss.claim.nodeId, loss.to.nodeId])) {
      const set = this.#losses.get(id) ?? new Set();
      set[change](loss);
      if (set.size === 0) this.#losses.delete(id);
      else this.#losses.set(id, set);
    }
  }
}

// `text`: of its widest prefix.
function fieldOf(kept: KeptField, text: string): Field {
  if (!("nodeId" in kept)) return kept;
  const widest = subnetsOf(kept).find((subnet) => subnet.text === text)!;
  return { widest, within: [{ subnet: widest, contender: kept }] };
}

function sameContenders(a: readonly Contender[], b: readonly Contender[]): boolean {
  return a.length === b.length && a.every((one, n) => compareContenders(one, b[n]!) === 0);
}
