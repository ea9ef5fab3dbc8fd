import { test } from "node:test";
import assert from "node:assert/strict";
import { advertisedBy } from "../../../src/daemon/host/advertised.ts";

const seed = (text: string, ...endpoints: string[]) => ({ text, endpoints });

test("advertisedBy() names the name before what it resolves to, also while it does not resolve", () => {
  const entries = [
    seed("Home.Example", "203.0.113.5:8473", "203.0.113.6:8473", "203.0.113.7:8473"),
    seed("nas:99"),
    seed("192.168.1.10", "192.168.1.10:8473"),
  ];
  assert.deepEqual(advertisedBy(entries, 8473), {
    endpoints: [
      "home.example:8473",
      "203.0.113.5:8473",
      "203.0.113.6:8473",
      "nas:99",
      "192.168.1.10:8473",
    ],
    leftOut: [],
  });
});

test("advertisedBy() leaves out, with a word, what leads every host to itself", () => {
  const own = advertisedBy([seed("debian", "127.0.1.1:8473"), seed("10.1.1.1", "10.1.1.1:8473")], 8473);
  assert.deepEqual(own.endpoints, ["debian:8473", "10.1.1.1:8473"]);
  assert.equal(own.leftOut.length, 1);
  assert.match(own.leftOut[0]!, /--advertise debian: it resolves here to 127\.0\.1\.1, which is not used/);
  const both = advertisedBy([seed("debian", "127.0.1.1:8473", "192.168.1.5:8473")], 8473);
  assert.deepEqual(both.endpoints, ["debian:8473", "192.168.1.5:8473"]);
  for (const text of ["127.0.0.1", "[::1]:8473", "0.0.0.0", "localhost"]) {
    const endpoint = text === "localhost" ? "[::1]:8473" : text.startsWith("[") ? text : `${text}:8473`;
    const none = advertisedBy([seed(text, endpoint)], 8473);
    assert.deepEqual(none.endpoints, [], text);
    assert.equal(none.leftOut.length, 1, text);
  }
});

test("advertisedBy() leaves out what is no address of one host", () => {
  for (const text of ["224.0.0.1", "255.255.255.255", "ff02::1", "fe80::1"]) {
    const endpoint = text.includes(":") ? `[${text}]:8473` : `${text}:8473`;
    const { endpoints, leftOut } = advertisedBy([seed(text, endpoint)], 8473);
    assert.deepEqual([endpoints, leftOut.length], [[], 1], text);
  }
  assert.deepEqual(advertisedBy([seed("169.254.7.1", "169.254.7.1:8473")], 8473).leftOut, []);
});
