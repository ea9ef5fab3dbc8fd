import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { identityFromSeeds } from "../../src/crypto/identity.ts";
import { encodeToken, type JoinToken, parseToken, TOKEN_PREFIX } from "../../src/crypto/join_token.ts";
import { NetworkSecret } from "../../src/crypto/network_secret.ts";
import { decodeText, encodeText } from "../../src/crypto/text_code.ts";

const NOW = Date.UTC(2026, 5, 1, 12, 0);
const issuer = identityFromSeeds(new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)).id;
const secret = NetworkSecret.of(new Uint8Array(32).fill(9));
const TOKEN: JoinToken = {
  networkName: "home",
  endpoints: ["192.168.1.10:8473", "[fd00::1]:9000"],
  secret,
  issuer,
  expiresAt: null,
};

function refused(text: string, message: RegExp): void {
  assert.throws(() => parseToken(text, NOW), (error: Error) => {
    assert.equal(error.constructor, Error, String(error.stack));
    assert.match(error.message, message);
    assert.ok(text.length < 12 || !error.message.includes(text.trim()), error.message);
    return true;
  });
}

test("parseToken() gives back what encodeToken() took, broken into lines and indented", () => {
  const text = encodeToken(TOKEN);
  const pasted = `\n${text.replace(/.{40}/g, "$&\r\n    ")}\n`;
  for (const one of [text, pasted, text.toUpperCase()]) {
    const token = parseToken(one, NOW);
    assert.ok(token.secret!.equals(secret));
    assert.deepEqual({ ...token, secret: null }, { ...TOKEN, secret: null });
  }
});

test("A token of a rotated mesh holds the network id of its founding", () => {
  const id = new Uint8Array(16).fill(5);
  const rotated = { ...TOKEN, secret: NetworkSecret.of(new Uint8Array(32).fill(1), id) };
  const { secret, ...rest } = parseToken(encodeToken(rotated), NOW);
  assert.deepEqual(secret!.foundingId, id);
  assert.ok(secret!.equals(rotated.secret));
  assert.deepEqual({ ...rest, secret: TOKEN.secret }, {
    ...parseToken(encodeToken(TOKEN), NOW),
    secret: TOKEN.secret,
  });
});

test("parseToken() gives back a plain token, which holds no secret", () => {
  const plain = { ...TOKEN, secret: null, expiresAt: NOW + 60_000 };
  assert.deepEqual(parseToken(encodeToken(plain), NOW), plain);
});

test("parseToken() refuses an expired token by the clock it is given", () => {
  const text = encodeToken({ ...TOKEN, expiresAt: NOW });
  assert.equal(parseToken(text, NOW).expiresAt, NOW);
  assert.throws(() => parseToken(text, NOW + 1), /expired at 2026-06-01 12:00 UTC by this host's clock/);
});

test("parseToken() says what else it was given", () => {
  refused("", /No token given/);
  refused(" \n", /No token given/);
  refused(secret.text(), /is a secret, not a token.*--secret-file/);
  refused("ovt2abcdef", /newer version/);
  refused('{"peers":[]}', /This is not a token/);
  const text = encodeToken(TOKEN);
  refused(text.slice(0, -3), /incomplete or was altered/);
  refused(text.repeat(40), /incomplete or was altered/);
  refused(text.slice(0, 30) + (text[30] === "7" ? "8" : "7") + text.slice(31), /incomplete or was altered/);
});

test("parseToken() refuses every content that is no token, whole by its checksum", () => {
  const whole = decodeText(TOKEN_PREFIX, encodeToken(TOKEN)) as Uint8Array;
  for (let length = 0; length < whole.length; length++) {
    refused(encodeText(TOKEN_PREFIX, whole.slice(0, length)), /is incomplete/);
  }
  const later = encodeText(TOKEN_PREFIX, Uint8Array.from([...whole, 1, 2, 3]));
  assert.equal(parseToken(later, NOW).networkName, "home");
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      fc.nat(whole.length - 1),
      fc.nat(255),
      (noise, at, value) => {
        const changed = whole.slice();
        changed[at] = value;
        for (const bytes of [noise, changed]) {
          try {
            assert.ok(parseToken(encodeText(TOKEN_PREFIX, bytes), NOW).endpoints.length > 0);
          } catch (error) {
            assert.match((error as Error).message, /^The token (is incomplete|expired)/);
          }
        }
      },
    ),
    { numRuns: 3000, seed: 8473 },
  );
});

test("A token carries names beside addresses, eight of the longest too", () => {
  const longest = (n: number) => `${`${n}${"x".repeat(61)}.`.repeat(3)}${"y".repeat(57)}.org:65535`;
  const endpoints = Array.from({ length: 8 }, (_, n) => longest(n));
  assert.ok(endpoints[0]!.length >= 253, `${endpoints[0]!.length}`);
  const mixed = ["home.example:8473", "192.168.1.10:8473", "[fd00::1]:9000", "nas:1"];
  for (const some of [endpoints, mixed]) {
    const text = encodeToken({ ...TOKEN, endpoints: some });
    assert.deepEqual(parseToken(text, NOW).endpoints, some);
  }
});

test("parseToken() refuses a name that is none, and what is cut within one", () => {
  const bytes = decodeText(TOKEN_PREFIX, encodeToken({ ...TOKEN, endpoints: ["home.example:8473"] }));
  assert.ok(typeof bytes !== "string");
  const at = bytes.length - "home.example".length - 2;
  for (
    const [place, value] of [[at, 0x0a], [at, 0x20], [at + 4, 0x3a], [at - 1, 13], [at - 1, 0]]
  ) {
    const bad = bytes.slice();
    bad[place!] = value!;
    refused(encodeText(TOKEN_PREFIX, bad), /incomplete or was altered/);
  }
  for (let length = at - 2; length < bytes.length; length++) {
    refused(encodeText(TOKEN_PREFIX, bytes.slice(0, length)), /incomplete or was altered/);
  }
});

test("encodeToken() refuses what does not fit", () => {
  assert.throws(() => encodeToken({ ...TOKEN, endpoints: [] }), RangeError);
  assert.throws(() => encodeToken({ ...TOKEN, endpoints: ["host"] }), RangeError);
  assert.throws(() => encodeToken({ ...TOKEN, endpoints: ["localhost:8473"] }), RangeError);
  assert.throws(() => encodeToken({ ...TOKEN, endpoints: Array(9).fill("10.0.0.1:1") }), RangeError);
  assert.throws(() => encodeToken({ ...TOKEN, networkName: "x".repeat(65) }), RangeError);
});
