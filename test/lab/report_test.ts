import assert from "node:assert/strict";
import { test } from "node:test";
import { formatRate, formatReport, type LabReport } from "../../src/lab/report.ts";

const REPORT: LabReport = {
  ok: false,
  backend: "udp",
  cipher: "aes-256-gcm",
  hosts: [
    { name: "alpha", subnet: "10.42.7.0/24", underlay: "10.99.0.1" },
    { name: "beta", subnet: "10.42.112.0/24", underlay: "10.99.0.2" },
  ],
  pairs: [
    { from: "alpha", to: "beta", lossPercent: 0, rttMs: { min: 0.1, avg: 0.25, max: 1.5 }, path: "tunnel" },
    { from: "beta", to: "alpha", lossPercent: 100, rttMs: null, path: "none" },
  ],
  throughputMbps: 6512,
  seconds: 4.2,
};

test("formatReport() aligns hosts and pairs and sums up", () => {
  assert.equal(
    formatReport(REPORT),
    `HOST   SUBNET          UNDERLAY
alpha  10.42.7.0/24    10.99.0.1
beta   10.42.112.0/24  10.99.0.2

FROM   TO     LOSS   RTT MIN  AVG    MAX ms  PATH
alpha  beta   0 %    0.100    0.250  1.500   tunnel
beta   alpha  100 %  -        -      -       none

1 of 2 pairs lost packets · TCP alpha → beta: 6.51 Gbit/s · backend udp · sealed with aes-256-gcm · 4.2 s
`,
  );
});

test("formatReport() of a mesh of both families shows what IPv6 lost", () => {
  const [fine] = REPORT.pairs;
  const ipv6 = { lossPercent: 20, rttMs: { min: 0.2, avg: 0.3, max: 0.4 } };
  const text = formatReport({
    ...REPORT,
    hosts: REPORT.hosts.map((host, i) => ({ ...host, subnet6: `fd42:1:2:${i + 1}::/64` })),
    pairs: [{ ...fine!, ipv6: { ...ipv6, lossPercent: 0 } }, { ...fine!, from: "beta", to: "alpha", ipv6 }],
  });
  assert.ok(
    text.startsWith(`HOST   SUBNET          SUBNET6          UNDERLAY
alpha  10.42.7.0/24    fd42:1:2:1::/64  10.99.0.1
beta   10.42.112.0/24  fd42:1:2:2::/64  10.99.0.2

FROM   TO     LOSS  RTT MIN  AVG    MAX ms  LOSS6  AVG6 ms  PATH
alpha  beta   0 %   0.100    0.250  1.500   0 %    0.300    tunnel
beta   alpha  0 %   0.100    0.250  1.500   20 %   0.300    tunnel

1 of 2 pairs lost packets · `),
    text,
  );
});

test("formatReport() leaves out a throughput that was not measured", () => {
  const text = formatReport({
    ...REPORT,
    pairs: REPORT.pairs.slice(0, 1),
    throughputMbps: null,
    backend: "vxlan",
    cipher: "none",
  });
  assert.match(text, /\nAll 1 pairs answer · backend vxlan · plain · 4\.2 s\n$/);
});

test("formatReport() calls data in the clear what host-gw carries in a sealed mesh", () => {
  const text = formatReport({ ...REPORT, backend: "host-gw" });
  assert.match(text, / · backend host-gw · control sealed with aes-256-gcm, data in the clear · /);
});

test("formatReport() of a big mesh names only the pairs that lost something", () => {
  const [fine, lossy] = REPORT.pairs;
  const many = Array.from({ length: 200 }, () => fine!);
  const whole = formatReport({ ...REPORT, pairs: many });
  assert.match(
    whole,
    /\nRound trips of all pairs: min 0\.100, avg 0\.250, max 1\.500 ms\n\nAll 200 pairs answer · /,
  );
  const broken = formatReport({ ...REPORT, pairs: [...many, lossy!] });
  assert.ok(
    broken.includes("PATH\nbeta  alpha  100 %  -        -    -       none\n\n1 of 201 pairs"),
    broken,
  );
});

test("formatRate() changes the unit at 1 Gbit/s", () => {
  assert.equal(formatRate(999), "999 Mbit/s");
  assert.equal(formatRate(1000), "1.00 Gbit/s");
});
