import assert from "node:assert/strict";
import { test } from "node:test";
import { type Config, ConfigError } from "../../src/config/config.ts";
import { loadConfig } from "../../src/config/load.ts";
import { foundMesh } from "../../src/control/mesh/mesh.ts";
import { prefix } from "../../src/wire/prefix.ts";

interface Read {
  readonly config: Config;
  readonly warnings: readonly string[];
}

function read(text: string, flags: Record<string, unknown> = {}): Read {
  return loadConfig({
    flags: { plain: true, "net-conf": "n.json", ...flags },
    environment: {},
    readFile: () => text,
    hostName: "alpha",
  });
}

const of = (conf: unknown, flags = {}) => read(JSON.stringify(conf), flags);

function refused(run: () => unknown, ...parts: string[]): void {
  assert.throws(run, (error: unknown) => {
    assert.ok(error instanceof ConfigError, String(error));
    for (const part of parts) assert.ok(error.message.includes(part), `${error.message} lacks ${part}`);
    return true;
  });
}

/** The subnet length of a mesh that this configuration founds. */
function foundedLength(config: Config): number | string {
  const network = config.network ?? prefix("10.200.0.0/16");
  const mesh = foundMesh({ ...config, network });
  return typeof mesh === "string" ? mesh : mesh.subnetLen;
}

test("net-conf: keys and backends count in any case, at every level, as in Go", () => {
  const { config, warnings } = read(
    '{"network":"10.42.0.0/16","SUBNETLEN":26,"subnetmin":"10.42.9.0","sUBNETmAX":"10.42.10.0",' +
      '"backend":{"type":"VXLAN","vni":7,"PORT":8999,"directrouting":true,"mtu":1400}}',
  );
  assert.deepEqual(warnings, []);
  const { network, subnetLen, subnetMin, subnetMax, backend, vni, vxlanPort, directRouting } = config;
  assert.deepEqual(
    { network, subnetLen, subnetMin, subnetMax, backend, vni, vxlanPort, directRouting },
    {
      network: prefix("10.42.0.0/16"),
      subnetLen: 26,
      subnetMin: "10.42.9.0",
      subnetMax: "10.42.10.0",
      backend: "vxlan",
      vni: 7,
      vxlanPort: 8999,
      directRouting: true,
    },
  );
  assert.equal(config.underlayMtu, 1400);
  assert.equal(
    read('{"Network":"10.42.0.0/16","Bac\u212aend":{"Type":"Host-GW"}}').config.backend,
    "host-gw",
  );
});

test("net-conf: of two keys the later one counts, whatever their case", () => {
  const twice = (text: string) => read(text).config;
  assert.equal(twice('{"Network":"10.1.0.0/16","network":"10.2.0.0/16"}').network?.text, "10.2.0.0/16");
  assert.equal(
    twice('{"Network":"10.1.0.0/16","network":"10.2.0.0/16","Network":"10.3.0.0/16"}').network?.text,
    "10.3.0.0/16",
  );
  assert.equal(twice('{"SubnetLen":26,"SubnetLen":null,"Network":"10.1.0.0/16"}').subnetLen, 26);
  assert.equal(twice('{"SubnetLen":26,"SubnetLen":0,"Network":"10.1.0.0/16"}').subnetLen, null);
  const backend = twice('{"Backend":{"Type":"vxlan","VNI":5},"backend":{"Type":"udp","Port":8999}}');
  assert.deepEqual([backend.backend, backend.vni, backend.port], ["udp", null, 8999]);
});

test("net-conf: a Network may have host bits", () => {
  assert.equal(of({ Network: "10.42.3.4/16" }).config.network?.text, "10.42.0.0/16");
  refused(() => of({ Network: "10.42.0.0" }), '"Network"', "10.42.0.0/16");
  refused(() => of({ Network: "fd00::1/64" }), '"Network"', "IPv4");
  refused(() => of({ Network: "" }), '"Network"');
  refused(() => of({ Network: null }), '"Network"', "null");
  refused(() => of({ Network: "10.42.03.0/16" }), '"Network"');
});

test("net-conf: SubnetLen follows flannel's rule where the file has none", () => {
  const cases = [[8, 24], [16, 24], [22, 24], [23, 25], [24, 26], [26, 28], [28, 30]];
  for (const [network, subnet] of cases) {
    for (const len of [{}, { SubnetLen: 0 }, { SubnetLen: null }]) {
      assert.equal(foundedLength(of({ Network: `10.0.0.0/${network}`, ...len }).config), subnet);
    }
    // A joiner asks for nothing: the mesh may have another length.
    assert.equal(of({ Network: `10.0.0.0/${network}` }, { peers: ["a"] }).config.subnetLen, null);
  }
  for (const length of [29, 30, 31, 32]) {
    refused(() => of({ Network: `10.0.0.0/${length}` }), `10.0.0.0/${length}`, "/28");
  }
  for (const SubnetLen of [31, 32, 33]) {
    refused(() => of({ Network: "10.0.0.0/16", SubnetLen }), '"SubnetLen"', "30", `${SubnetLen}`);
  }
  assert.equal(of({ Network: "10.0.0.0/16", SubnetLen: 30 }).config.subnetLen, 30);
  // Only a network of the file: a flag has the default of flags.
  assert.equal(
    foundedLength(of({ SubnetLen: null, Network: "10.0.0.0/24" }, { network: "10.9.0.0/20" }).config),
    24,
  );
  assert.equal(foundedLength(of({ Network: "10.0.0.0/24" }, { "subnet-len": "27" }).config), 27);
});

test("net-conf: numbers are whole numbers and switches are true or false, as Go's types", () => {
  const network = '"Network":"10.42.0.0/16"';
  for (const value of ["24.0", "2.4e1", "-1", '"24"', "true", "[]", "{}"]) {
    refused(() => read(`{${network},"SubnetLen":${value}}`), '"SubnetLen"', "whole number");
  }
  refused(() => of({ Backend: { Type: "vxlan", DirectRouting: "true" } }), '"Backend.DirectRouting"');
  refused(() => of({ Network: "10.42.0.0/16", EnableIPv4: false }), '"EnableIPv4"');
  refused(
    () => of({ Network: "10.42.0.0/16", Backend: { Type: "vxlan", MTU: 500 } }),
    '"Backend.MTU"',
    "500",
  );
  const zero = of({ Network: "10.42.0.0/16", Backend: { Type: "vxlan", MTU: 0, Port: 0 } }).config;
  assert.deepEqual([zero.underlayMtu, zero.vxlanPort], [null, null]);
  assert.equal(zero.port, 8473);
});

test("net-conf: a backend of flannel's that ovltun has not is refused by name, with what to take", () => {
  for (const type of ["wireguard", "WireGuard", "ipsec", "ipip", "alloc", "extension", "tencent-vpc"]) {
    refused(() => of({ Network: "10.42.0.0/16", Backend: { Type: type } }), "Backend.Type", type, "use ");
  }
  refused(() => of({ Backend: { Type: "vxlna" } }), "did you mean vxlan?");
  refused(() => of({ Backend: { Type: "" } }), "Backend.Type");
});

test("net-conf: a file without one key of flannel's is an error and founds nothing", () => {
  const strangers = [
    {},
    { cniVersion: "1.0.0", name: "cbr0", plugins: [] },
    { "net-conf.json": "{}" },
    {
      EnableIPv4: true,
    },
    { Backend: {} },
    { Backend: null },
    { SubnetLen: 0 },
  ];
  for (const conf of strangers) {
    refused(() => of(conf), '"n.json"', "has none of flannel's keys", "Network, SubnetLen");
  }
  assert.equal(of({ Backend: { MTU: 1400 } }).config.underlayMtu, 1400);
  assert.equal(of({ SubnetLen: 26 }).config.subnetLen, 26);
});

test("net-conf: what flannel has and ovltun has not is ignored with a warning, what is off in silence", () => {
  const off = of({
    Network: "10.42.0.0/16",
    EnableIPv4: true,
    EnableIPv6: false,
    EnableNFTables: false,
    Backend: { Type: "vxlan", GBP: false, Learning: false },
  });
  assert.deepEqual(off.warnings, []);
  const on = of({
    Network: "10.42.0.0/16",
    Backend: { Type: "vxlan", GBP: true, MacPrefix: "0E-2A" },
  });
  for (const key of ["Backend.GBP", "Backend.MacPrefix"]) {
    assert.equal(on.warnings.filter((one) => one.includes(`"${key}"`)).length, 1, `${key}: ${on.warnings}`);
  }
});

test("net-conf: IPv6 counts where it is enabled, alone or beside IPv4, with flannel's own lengths", () => {
  const both = {
    Network: "10.42.0.0/16",
    EnableIPv6: true,
    IPv6Network: "fd42:1:2:3::1/48",
    IPv6SubnetLen: 0,
  };
  const dual = of(both);
  assert.deepEqual(dual.warnings, []);
  assert.deepEqual([dual.config.network?.text, dual.config.withoutIpv4], ["10.42.0.0/16", false]);
  const { ipv6 } = dual.config;
  assert.deepEqual([ipv6.network?.text, ipv6.subnetLen, ipv6.defaultSubnetLen], ["fd42:1:2::/48", null, 64]);
  const range = { IPv6SubnetLen: 72, IPv6SubnetMin: "fd42:1:2:100::", IPv6SubnetMax: "fd42:1:2:1ff::" };
  const ranged = of({ ...both, ...range }).config.ipv6;
  assert.deepEqual([ranged.subnetLen, ranged.subnetMin, ranged.subnetMax], [
    72,
    "fd42:1:2:100::",
    "fd42:1:2:1ff::",
  ]);
  assert.equal(of({ ...both, IPv6Network: "fd42:1:2::/63" }).config.ipv6.defaultSubnetLen, 65);
  const alone = of({ ...both, EnableIPv4: false }).config;
  assert.deepEqual([alone.network, alone.withoutIpv4, alone.ipv6.network?.text], [
    null,
    true,
    "fd42:1:2::/48",
  ]);
  const off = of({ ...both, ...range, EnableIPv6: false }).config;
  assert.deepEqual([off.ipv6.network, off.ipv6.subnetLen, off.ipv6.subnetMin], [null, null, null]);
  assert.equal(of({ ...both, EnableIPv4: false }, { network: "10.9.0.0/16" }).config.withoutIpv4, false);
  refused(() => of({ Network: "10.42.0.0/16", EnableIPv6: true }), '"EnableIPv6"', "IPv6Network");
  refused(() => of({ ...both, IPv6Network: "10.42.0.0/16" }), '"IPv6Network"', "IPv6 prefix");
  refused(() => of({ ...both, IPv6SubnetLen: 127 }), '"IPv6SubnetLen"', "126 or less");
  refused(() => of({ ...both, IPv6Network: "fd42::/125" }), "IPv6Network", "too small", "/124");
});

test("net-conf and --config: what is no JSON is told with its line and column", () => {
  const cases: [text: string, ...parts: string[]][] = [
    ["", "is empty"],
    ["  \n", "is empty"],
    ['\ufeff{"Network":"10.42.0.0/16"}', "line 1, column 1", "byte order mark"],
    ['{\n  // ours\n  "Network":"10.42.0.0/16"}', "line 2, column 3", "no comments"],
    ['{"Network":"10.42.0.0/16"} # ours', "line 1, column 28", "after the end", "no comments"],
    ['{"Network":"10.42.0.0/16"}{}', "line 1, column 27", "after the end"],
    ['{"Network":"10.42.0.0/16",}', "line 1, column 27", "a key in quotes"],
    ['{"Network":"10.42.0.0/16"', "line 1, column 26", "the end of the text"],
    ["{'Network':1}", "line 1, column 2", "a key in quotes"],
    ['{"Network" "x"}', "line 1, column 12", "a colon"],
    ['{"SubnetLen":024}', "line 1, column 15"],
    ['{"SubnetLen":\n +24}', "line 2, column 2", "a value"],
    ['{"Network":"10.42\n"}', "line 1, column 12", "string"],
    ['{"a":[1 2]}', "line 1, column 9", "a comma or ]"],
    [`{"a":${"[".repeat(5000)}`, "levels"],
  ];
  for (const [text, ...parts] of cases) {
    refused(() => read(text), '--net-conf "n.json"', ...parts);
    const files = { flags: { plain: true, config: "c.json" }, environment: {}, hostName: "alpha" };
    refused(() => loadConfig({ ...files, readFile: () => text }), '--config "c.json"', ...parts);
  }
  refused(() => read("[]"), "must contain a JSON object");
});
