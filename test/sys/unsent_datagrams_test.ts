import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { unsentDatagrams } from "../../src/sys/unsent_datagrams.ts";

test("unsentDatagrams() adds up what the kernel counts for both families, and is 0 where it does not tell", () => {
  const directory = mkdtempSync(join(tmpdir(), "ovltun-snmp-"));
  try {
    assert.equal(unsentDatagrams(directory), 0);
    const names = "Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors";
    writeFileSync(
      join(directory, "snmp"),
      `Ip: Forwarding\nIp: 1\n${names}\nUdp: 1 2 3 4 5 160 7\nUdpLite: A\nUdpLite: 9\n`,
    );
    assert.equal(unsentDatagrams(directory), 160);
    writeFileSync(
      join(directory, "snmp6"),
      "Udp6OutDatagrams  \t4\nUdp6SndbufErrors                  \t2\nUdpLite6SndbufErrors 9\n",
    );
    assert.equal(unsentDatagrams(directory), 162);
    writeFileSync(join(directory, "snmp"), "Udp: what\nUdp: ever\n");
    assert.equal(unsentDatagrams(directory), 2);
  } finally {
    rmSync(directory, { recursive: true });
  }
  assert.ok(Number.isSafeInteger(unsentDatagrams()));
});
