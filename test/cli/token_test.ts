import { test } from "node:test";
import assert from "node:assert/strict";
import type { Status } from "../../src/api/schema.ts";
import { secretOf, tokenOf } from "../../src/cli/token.ts";
import { encodeToken, parseToken } from "../../src/crypto/join_token.ts";
import { NetworkSecret } from "../../src/crypto/network_secret.ts";

const ID = "cd".repeat(32);

function statusOf(underlay: readonly string[], cidr: string | null): Status {
  return { node: { id: ID, underlay }, network: { name: "home", cidr, cidr6: null } } as unknown as Status;
}

test("tokenOf() names this node, its network and where it is reached, and survives the text", () => {
  const secret = NetworkSecret.create();
  const token = tokenOf(statusOf(["192.0.2.1:8473", "[2001:db8::1]:8473"], "10.42.0.0/16"), secret, null);
  const again = parseToken(encodeToken(token), 0);
  assert.deepEqual([again.issuer, again.networkName, again.endpoints], [
    ID,
    "home",
    ["192.0.2.1:8473", "[2001:db8::1]:8473"],
  ]);
  assert.ok(again.secret!.equals(secret));
});

test("secretOf() asks a node that has not joined for no secret, and misses that of a member", () => {
  const sealed = (cidr: string | null) =>
    ({ node: { security: "sealed" }, network: { cidr, cidr6: null } }) as unknown as Status;
  assert.equal(secretOf(sealed(null), "/nonexistent"), null);
  assert.throws(() => secretOf(sealed("10.42.0.0/16"), "/nonexistent"), /No secret in the state directory/);
});

test("tokenOf() takes as many endpoints as fit, and refuses a node that cannot be joined at", () => {
  const many = Array.from({ length: 20 }, (_, i) => `192.0.2.${i + 1}:8473`);
  assert.deepEqual(tokenOf(statusOf(many, "10.42.0.0/16"), null, 5).endpoints, many.slice(0, 8));
  assert.throws(() => tokenOf(statusOf([], "10.42.0.0/16"), null, null), /No other host can reach this node/);
  assert.throws(() => tokenOf(statusOf(many, null), null, null), /not joined a mesh yet/);
});
