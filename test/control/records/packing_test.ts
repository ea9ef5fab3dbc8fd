import { test } from "node:test";
import assert from "node:assert/strict";
import * as packing from "../../../src/control/records/packing.ts";
import { RECORD_MAX_LEN } from "../../../src/control/records/record.ts";
import { DIRECTIVE_MAX_LEN } from "../../../src/wire/directive.ts";
import { decodeGossip, fitGossip, GOSSIP_BUDGET } from "../../../src/wire/gossip.ts";
import type { GossipBody, RecordItem, Statement } from "../../../src/wire/gossip_body.ts";
import { SeededRandom } from "../../fakes/seeded_random.ts";
import { encodeGossip } from "../../made/gossip.ts";

const MESH = "0123456789abcdef";
const LARGEST = 2 ** 48 - 1;

/** Lists of things short and as long as a receiver takes them. */
function mix(random: SeededRandom, most: number) {
  const list = <T>(make: () => T) => Array.from({ length: random.below(most + 1) }, make);
  const number = () => [0, 200, 70_000, LARGEST][random.below(4)]!;
  const length = (longest: number) => random.below(3) === 0 ? longest : 66 + random.below(longest - 65);
  const id = () => random.below(256).toString(16).padStart(2, "0").repeat(32);
  return {
    records: list((): RecordItem => ({ raw: new Uint8Array(length(RECORD_MAX_LEN)), state: 2 })),
    statements: list((): Statement => ({ id: id(), incarnation: number(), state: 2, stopped: true })),
    directives: list(() => new Uint8Array(length(DIRECTIVE_MAX_LEN))),
  };
}

/** A receiver takes it, and it fits whatever is put around it. */
function assertSent(body: GossipBody, what: string): void {
  const bytes = fitGossip(0, { mesh: MESH, body }, GOSSIP_BUDGET);
  assert.ok(bytes !== null, `${what}: ${encodeGossip(0, { mesh: MESH, body }).length} bytes`);
  assert.deepEqual(decodeGossip(bytes)?.body, body, what);
}

test("Whatever is packed fits, is taken by the receiver, and is there once and in order", () => {
  const random = new SeededRandom(1);
  for (let i = 0; i < 400; i++) {
    const { records, statements, directives } = mix(random, i % 3 === 0 ? 100 : 6);
    const parcels = packing.pack(records, statements);
    for (const parcel of parcels) assertSent({ kind: "push", ack: false, ...parcel }, `parcel ${i}`);
    assert.deepEqual(parcels.flatMap((parcel) => parcel.records), records);
    assert.deepEqual(parcels.flatMap((parcel) => parcel.statements), statements);
    const decided = packing.packDirectives(directives);
    for (const told of decided) {
      assertSent({ kind: "push", ack: false, records: [], statements: [], directives: told }, `${i}`);
    }
    assert.deepEqual(decided.flat(), directives);
  }
});

test("fill() takes what one message has room for: what stands first, and a record of any length", () => {
  const random = new SeededRandom(2);
  for (let i = 0; i < 400; i++) {
    const { records, statements } = mix(random, 8);
    const filled = packing.fill({ records, statements });
    assertSent({ kind: "ping", seq: LARGEST, ...filled }, `ping ${i}`);
    assertSent({ kind: "pong", seq: LARGEST, ...filled }, `pong ${i}`);
    assert.deepEqual(filled.statements[0], statements[0]);
    const alone = packing.fill({ records, statements: [] }).records;
    assert.deepEqual(alone[0], records[0]);
  }
});

test("Beside a record of the greatest length there is room for what is said of two nodes", () => {
  const records: RecordItem[] = [{ raw: new Uint8Array(RECORD_MAX_LEN), state: 2 }];
  const statement: Statement = { id: "ab".repeat(32), incarnation: LARGEST, state: 1 };
  assert.deepEqual(packing.fill({ records, statements: [statement, statement] }), {
    records,
    statements: [statement, statement],
  });
});

test("What no message takes goes alone, and what is around it goes all the same", () => {
  const long: RecordItem = { raw: new Uint8Array(1500), state: 0 };
  const short: RecordItem = { raw: new Uint8Array(100), state: 0 };
  assert.deepEqual(packing.pack([short, long, short], []).map((parcel) => parcel.records), [
    [short],
    [long],
    [short],
  ]);
  assert.deepEqual(packing.fill({ records: [long, short], statements: [] }).records, [short]);
});
