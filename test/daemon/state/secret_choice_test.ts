import { test } from "node:test";
import assert from "node:assert/strict";
import { ConfigError } from "../../../src/config/config.ts";
import { placeOfGiven } from "../../../src/control/secrets/key_ring.ts";
import { NetworkSecret } from "../../../src/crypto/network_secret.ts";
import {
  chooseSecret,
  type SecretFacts,
  secretsOfRun,
  TOKEN,
} from "../../../src/daemon/state/secret_choice.ts";
import { joinAdvice } from "../../../src/daemon/reports/start_log.ts";

const A = NetworkSecret.create();
const B = NetworkSecret.create();
const FACTS: SecretFacts = {
  plain: false,
  given: null,
  stored: null,
  storedMesh: null,
  founds: true,
  stateDir: "/state",
  networkName: "home",
};
const given = (secret: NetworkSecret) => ({ secret, from: '--secret-file "f"' });

function chosen(change: Partial<SecretFacts>) {
  const choice = chooseSecret({ ...FACTS, ...change });
  assert.equal(choice.security, "sealed");
  return choice as Exclude<typeof choice, { security: "plain" }>;
}

function refused(change: Partial<SecretFacts>, message: RegExp): void {
  assert.throws(() => chooseSecret({ ...FACTS, ...change }), (error: Error) => {
    assert.ok(error instanceof ConfigError);
    assert.equal(error.exitCode, 2);
    assert.match(error.message, message);
    return ![A.text(), B.text()].some((text) => error.message.includes(text));
  });
}

test("A founder makes a secret, a new one each time, and keeps it", () => {
  const [one, two] = [chosen({}), chosen({})];
  assert.deepEqual([one.keep, one.founded], [true, true]);
  assert.ok(!one.secret.equals(two.secret));
});

test("A founder takes the secret it was given, and one that a broken first start left", () => {
  assert.equal(chosen({ given: given(A) }).secret, A);
  const again = chosen({ stored: A });
  assert.deepEqual([again.secret, again.keep, again.founded], [A, false, true]);
  const other = chosen({ stored: A, given: given(B) });
  assert.deepEqual([other.secret, other.keep], [B, true]);
});

test("A joiner without a secret is told at once what to do", () => {
  refused(
    { founds: false },
    /ovltun token on a member.*ovltun join.*--secret-file or OVLTUN_SECRET.*add --plain/,
  );
  const joiner = chosen({ founds: false, given: given(A) });
  assert.deepEqual([joiner.secret, joiner.keep, joiner.founded], [A, true, false]);
});

test("A member uses the secret of its state directory, and refuses another by name", () => {
  const member = { storedMesh: "sealed", stored: A } as const;
  assert.deepEqual(chosen(member), { security: "sealed", secret: A, keep: false, founded: false });
  assert.equal(chosen({ ...member, founds: false }).secret, A);
  assert.equal(chosen({ ...member, given: given(NetworkSecret.of(A.bytes())) }).secret, A);
  refused(
    { ...member, given: given(B) },
    /--secret-file "f" is not that of the mesh in the state directory "\/state"/,
  );
  const lost = chosen({ storedMesh: "sealed", given: given(A) });
  assert.deepEqual([lost.secret, lost.keep], [A, true]);
  refused({ storedMesh: "sealed" }, /has lost its secret.*--secret-file/);
});

test("A member that is given a token of another mesh is told so, and how to leave one or be in both", () => {
  const member = { storedMesh: "sealed", founds: false } as const;
  const token = (secret: NetworkSecret) => ({ secret, from: TOKEN });
  const foreign =
    /^The token belongs to a different mesh .*down --purge --state-dir \/state, then ovltun join.*another --state-dir, --run-dir/;
  refused({ ...member, stored: A, given: token(B) }, foreign);
  refused({ ...member, stored: A, given: token(NetworkSecret.of(B.bytes(), new Uint8Array(16))) }, foreign);
  // After a rotation, too: one of before it is of the mesh, and what is stored counts.
  const rotated = NetworkSecret.of(NetworkSecret.create().bytes(), A.keys("home").networkId);
  refused({ ...member, stored: rotated, given: token(B) }, foreign);
  assert.equal(chosen({ ...member, stored: rotated, given: token(A) }).outdated, TOKEN);
  assert.equal(chosen({ ...member, stored: rotated, given: given(B) }).outdated, '--secret-file "f"');
});

test("Plain and sealed are never mixed up", () => {
  assert.deepEqual(chooseSecret({ ...FACTS, plain: true }), { security: "plain" });
  assert.deepEqual(chooseSecret({ ...FACTS, plain: true, storedMesh: "plain" }), { security: "plain" });
  refused(
    { plain: true, storedMesh: "sealed", stored: A },
    /--plain contradicts.*sealed.*ovltun down --purge/,
  );
  refused({ storedMesh: "plain" }, /is plain, but --plain was not given; add --plain/);
  refused({ storedMesh: "plain", given: given(A) }, /is plain/);
});

test("joinAdvice() is a command that works as it stands", () => {
  const at = (runDir: string, stateDir: string, backend: "host-gw" | null = null) =>
    joinAdvice({ runDir, stateDir, backend });
  assert.match(at("/run/ovltun", "/var/lib/ovltun", "host-gw"), / ovltun join --allow-plain-direct$/);
  assert.match(at("/run/ovltun", "/var/lib/ovltun"), /: ovltun token \| ssh root@HOST ovltun join$/);
  assert.match(at("/tmp/it's", "/b"), /ovltun token --run-dir '\/tmp\/it'\\''s' --state-dir \/b \| ssh/);
});

test("After a rotation a member goes by what the mesh told it, and tries a token of the same mesh besides", () => {
  const { networkId } = A.keys("home");
  const rotated = NetworkSecret.of(B.bytes(), networkId);
  const member = { storedMesh: "sealed", founds: false } as const;
  const outdated = chosen({ ...member, stored: rotated, given: given(A) });
  assert.deepEqual([outdated.secret, outdated.keep, outdated.outdated], [
    rotated,
    false,
    '--secret-file "f"',
  ]);
  const late = chosen({ ...member, stored: A, given: given(rotated) });
  assert.deepEqual([late.secret, late.also], [A, rotated]);
  const foreign = NetworkSecret.of(B.bytes(), new Uint8Array(16));
  refused({ ...member, stored: A, given: given(foreign) }, /is not that of the mesh/);
});

test("secretsOfRun() wipes a secret that was given and is not used, and keeps those that are", () => {
  const held = (secret: NetworkSecret) => ({ secret, generation: placeOfGiven(secret), used: true });
  const copy = (of: NetworkSecret) => NetworkSecret.of(of.bytes(), of.foundingId);
  const isWiped = (secret: NetworkSecret) => secret.equals(NetworkSecret.of(new Uint8Array(32)));
  // The same secret by a file, and rotated since: what is stored counts.
  for (
    const [stored, file] of [[copy(A), copy(A)], [NetworkSecret.of(B.bytes(), new Uint8Array(16)), copy(A)]]
  ) {
    const choice = chosen({ stored: stored!, given: given(file!), storedMesh: "sealed" });
    assert.deepEqual(secretsOfRun(choice, [held(stored!)], file!), [held(stored!)]);
    assert.deepEqual([isWiped(stored!), isWiped(file!)], [false, true]);
  }
  // A first start: the given one is the one there is.
  const first = copy(A);
  const choice = chosen({ given: given(first) });
  assert.equal(secretsOfRun(choice, [], first)[0]!.secret, first);
  assert.ok(!isWiped(first));
  // Another secret for a state directory without a mesh: what was kept there is of no use.
  const [old, other] = [copy(A), copy(B)];
  const changed = chosen({ stored: old, given: given(other) });
  assert.equal(secretsOfRun(changed, [held(old)], other)[0]!.secret, other);
  assert.deepEqual([isWiped(old), isWiped(other)], [true, false]);
});
