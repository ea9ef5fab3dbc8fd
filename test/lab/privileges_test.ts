import assert from "node:assert/strict";
import { test } from "node:test";
import { whatTheLabLacks } from "../../src/lab/privileges.ts";

const status = (effective: string) => `Name:\tovltun\nCapPrm:\t0000000000000000\nCapEff:\t${effective}\n`;

test("whatTheLabLacks() asks for root, or for what root lacks in a container", () => {
  assert.equal(whatTheLabLacks(0, status("000001ffffffffff")), null);
  assert.equal(whatTheLabLacks(1000, status("0000000000201000")), null);
  assert.match(whatTheLabLacks(1000, status("0000000000000000"))!, /needs root.*sudo/);
  assert.match(whatTheLabLacks(0, status("00000000a80435fb"))!, /CAP_SYS_ADMIN.*--privileged/);
  assert.equal(whatTheLabLacks(1000, "what is this"), null);
});
