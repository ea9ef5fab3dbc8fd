import assert from "node:assert/strict";
import { test } from "node:test";
import type { NewSession } from "../../../src/control/handshake/pending.ts";
import * as pair from "../../made/sealed_pair.ts";
import { tcp } from "../../made/packets.ts";
import { cut } from "../../made/superframes.ts";
import { fromHex } from "../../../src/wire/bytes.ts";
import { type Side, side } from "../../made/handshake_side.ts";

const QUESTION = tcp(pair.ENDS.v4, new Uint8Array(60).fill(1));
const ANSWER = tcp([pair.ENDS.v4[1], pair.ENDS.v4[0]], new Uint8Array(60).fill(2));

/** A host: its handshakes, and the data plane that gets its sessions. */
interface Host {
  readonly control: Side;
  readonly plane: pair.End;
}

/** Everything that leaves a host, on its way at the same time: handshakes and data. */
interface Flight {
  readonly handshakes: Uint8Array[];
  readonly data: Uint8Array[];
}

function departure({ control, plane }: Host): Flight {
  while (plane.dataPlane.pump("tun", 1000) > 0);
  const handshakes = control.actions.drain().flatMap((action) =>
    action.kind === "send" ? [action.bytes] : []
  );
  return { handshakes, data: plane.socket.sent.splice(0).map(({ bytes }) => bytes) };
}

function arrival(from: Host, to: Host, { handshakes, data }: Flight): void {
  for (const bytes of handshakes) {
    for (const event of to.control.machine.receive(bytes, from.control.endpoint, 0)) {
      if (event.kind === "session") install(to, event.session);
    }
  }
  pair.arrive(to.plane, data);
}

function install({ plane }: Host, made: NewSession): void {
  const { receiveIndex, sendIndex, suite, sendKey, receiveKey, initiator } = made;
  const session = { receiveIndex, sendIndex, suite, sendKey, receiveKey, confirmed: initiator };
  plane.dataPlane.apply({ kind: "installSession", slot: pair.SLOT[plane.name], ...session });
}

for (const [pattern, datagrams, flightsToSession] of [["XX", 3, 2], ["IK", 2, 2]] as const) {
  test(`A packet that waits leaves as soon as ${pattern} has given a session, and is answered after two round trips`, () => {
    const ends = pair.unsealedPair();
    const a: Host = { control: side(1), plane: ends.a };
    const b: Host = { control: side(2), plane: ends.b };
    a.plane.tun.waiting.push(QUESTION);
    assert.deepEqual(departure(a), { handshakes: [], data: [] }, "it waits");
    const { record } = b.control;
    const known = pattern === "IK" ? { id: record.id, staticKey: fromHex(record.staticKey)! } : null;
    if (known !== null) a.control.store.set(record.id, record);
    a.control.machine.begin(b.control.endpoint, known, 0);
    let flights = 0, count = 0, questionIn = 0, answerIn = 0;
    for (let [from, to] = [a, b]; answerIn === 0 && flights < 10; [from, to] = [to, from]) {
      const flight = departure(from);
      flights++;
      count += flight.handshakes.length;
      // The first flight after the session is there carries the packet, beside what is left of the handshake.
      assert.equal(flight.data.length > 0, flights > flightsToSession, `flight ${flights}`);
      arrival(from, to, flight);
      const arrived = to.plane.tun.written.splice(0).flatMap(cut);
      if (to === b && arrived.length > 0) {
        assert.deepEqual(arrived, [QUESTION]);
        questionIn = flights;
        b.plane.tun.waiting.push(ANSWER);
      } else if (arrived.length > 0) {
        assert.deepEqual(arrived, [ANSWER]);
        answerIn = flights;
      }
    }
    assert.deepEqual({ count, questionIn, answerIn }, { count: datagrams, questionIn: 3, answerIn: 4 });
    for (const { plane } of [a, b]) assert.equal(plane.counts()["no-session"], undefined);
  });
}
