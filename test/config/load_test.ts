import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { ConfigError } from "../../src/config/config.ts";
import { loadConfig, type Loaded, type LoadInput, loadPlaces } from "../../src/config/load.ts";
import { refuseSecretArguments } from "../../src/config/security.ts";
import { ALL_SETTINGS, environmentKey } from "../../src/config/settings.ts";
import { prefix } from "../../src/wire/prefix.ts";

type Flags = Record<string, unknown>;

function load(
  flags: Flags,
  environment: Record<string, string> = {},
  files: Record<string, string> = {},
  more: Pick<LoadInput, "join"> = {},
): Loaded {
  const readFile = (path: string) => {
    const text = files[path];
    if (text === undefined) throw new Error("ENOENT: no such file");
    return text;
  };
  return loadConfig({ flags, environment, readFile, hostName: "alpha", ...more });
}

const plain = (flags: Flags, environment = {}, files = {}) =>
  load({ plain: true, ...flags }, environment, files);

function refused(run: () => unknown, ...parts: string[]): void {
  assert.throws(run, (error: unknown) => {
    assert.ok(error instanceof ConfigError, String(error));
    for (const part of parts) assert.ok(error.message.includes(part), `${error.message} lacks ${part}`);
    assert.ok(!error.message.endsWith("."), error.message);
    return true;
  });
}

test("loadConfig() gives the defaults of the contract", () => {
  const { config, warnings } = plain({});
  assert.deepEqual(warnings, []);
  assert.deepEqual([config.name, config.networkName, config.device, config.port], [
    "alpha",
    "ovltun",
    "ovl0",
    8473,
  ]);
  assert.deepEqual([config.network, config.subnetLen, config.backend, config.vni], [null, null, null, null]);
  assert.deepEqual(config.subnetFile, "/run/ovltun/subnet.env");
  assert.equal(config.cipher, "none");
  assert.equal(plain({ "run-dir": "/tmp/x/" }).config.subnetFile, "/tmp/x/subnet.env");
});

test("loadConfig() lets flags beat the environment, the environment the file, the file net-conf", () => {
  const files = {
    "a.json":
      '{"mtu": 1300, "port": 3, "vni": 3, "net-conf": "n.json", "peers": ["p1", "p2:5"], "found": true}',
    "n.json":
      '{"Network":"10.8.0.0/16","SubnetLen":26,"Backend":{"Type":"vxlan","VNI":4,"Port":4,"DirectRouting":true}}',
  };
  const { config, warnings } = plain({ config: "a.json", mtu: "1400" }, {
    OVLTUN_MTU: "1350",
    OVLTUN_PORT: "2",
  }, files);
  assert.deepEqual(warnings, []);
  assert.deepEqual([config.mtu, config.port, config.vni, config.vxlanPort], [1400, 2, 3, 4]);
  assert.deepEqual([config.network?.text, config.subnetLen, config.backend], ["10.8.0.0/16", 26, "vxlan"]);
  assert.deepEqual([config.directRouting, config.found, config.peers], [true, true, ["p1", "p2:5"]]);
});

test("loadConfig() splits lists, joins repeated flags and knows aliases", () => {
  assert.deepEqual(plain({ peers: ["a,b:1", " [fd00::1]:2 ", "a"] }).config.peers, [
    "a",
    "b:1",
    "[fd00::1]:2",
  ]);
  assert.deepEqual(plain({}, { OVLTUN_PEERS: "a, 10.0.0.1:3" }).config.peers, ["a", "10.0.0.1:3"]);
  assert.deepEqual(plain({ "public-ip": ["203.0.113.9"] }).config.advertise, ["203.0.113.9"]);
  assert.deepEqual(plain({ peers: ["a"] }, { OVLTUN_PEERS: "b" }).config.peers, ["a"]);
});

test("loadConfig() reads static peers from flags, and from the environment apart by blanks", () => {
  const kernel = "10.42.3.0/24=10.99.0.3,mac=02:00:00:00:00:0A,backend=vxlan,vni=7";
  const flannel = "10.42.4.0/24=10.99.0.4:8286,backend=udp";
  const expected = [
    {
      subnet: prefix("10.42.3.0/24"),
      address: "10.99.0.3",
      port: null,
      backend: "vxlan",
      mac: "02:00:00:00:00:0a",
      vni: 7,
    },
    {
      subnet: prefix("10.42.4.0/24"),
      address: "10.99.0.4",
      port: 8286,
      backend: "udp",
      mac: null,
      vni: null,
    },
  ];
  assert.deepEqual(plain({ "static-peer": [kernel, flannel] }).config.staticPeers, expected);
  assert.deepEqual(plain({}, { OVLTUN_STATIC_PEER: `${kernel} ${flannel}` }).config.staticPeers, expected);
  assert.deepEqual(plain({}, { OVLTUN_STATIC_PEER: `${kernel},${flannel}` }).config.staticPeers, expected);
});

test("loadConfig() refuses contradictions and names both sides", () => {
  const network = "10.42.0.0/16";
  refused(
    () => plain({ network, subnet: "10.9.0.0/24" }),
    "--subnet 10.9.0.0/24 is not in --network 10.42.0.0/16",
  );
  refused(() => plain({ network }, { OVLTUN_SUBNET: "10.9.0.0/24" }), "OVLTUN_SUBNET", "--network");
  refused(() => plain({ network, subnet: "10.42.1.0/25" }), "--subnet 10.42.1.0/25", "--subnet-len 24");
  refused(
    () => plain({ network, "subnet-len": "26", subnet: "10.42.1.0/24" }),
    "10.42.1.0/24",
    "--subnet-len 26",
  );
  refused(() => plain({ network, "subnet-len": "15" }), "--subnet-len 15", network);
  refused(() => plain({ network: "10.42.0.0/26" }), "default --subnet-len 24", "10.42.0.0/26");
  refused(
    () => plain({ network, "subnet-min": "10.42.9.0", "subnet-max": "10.42.1.0" }),
    "subnet-min",
    "subnet-max",
  );
  refused(() => plain({ network, "subnet-min": "10.43.9.0" }), "--subnet-min 10.43.9.0", network);
  refused(() => plain({ network, "subnet-min": "10.42.9.1" }), "--subnet-min 10.42.9.1", "--subnet-len 24");
  refused(() => plain({ network, "subnet-min": "10.42.9.0", subnet: "10.42.1.0/24" }), "is below");
  refused(() => plain({ port: "9000", "vxlan-port": "9000" }), "--port 9000", "--vxlan-port 9000");
  refused(() => plain({ port: "8472", backend: "vxlan" }), "--port 8472");
  refused(() => plain({ "vxlan-port": "8473" }), "--vxlan-port 8473", "--port 8473");
  refused(() => plain({ iface: "ovl0" }), "--iface ovl0", "--device");
  assert.equal(plain({ port: "8472" }).config.port, 8472);
  assert.equal(plain({ found: true, peers: ["a"] }).config.found, true);
});

/** What an address is written like, by us or by the tools of a host. */
const ADDRESS_LIKE = [
  "10.42.0.1",
  "10.0.0.256",
  "10.1",
  "010.0.0.5",
  "0x7f.1",
  "0x0a000005",
  "167772165",
  "fd00::1",
  "::1",
  "[fd00::1]:8473",
  "10.0.0.0/24",
  "host:8473",
];

test("loadConfig() changes a host name that cannot be a node's, and says so", () => {
  const named = (hostName: string) =>
    loadConfig({ flags: { plain: true }, environment: {}, readFile: () => "", hostName });
  for (const hostName of [...ADDRESS_LIKE, "a b", "a\u0000b", "", "-", "\u00e9", "a".repeat(64)]) {
    const { config, warnings } = named(hostName);
    assert.match(config.name, /^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/);
    assert.ok(!/^[0-9.]+$/.test(config.name), config.name);
    assert.equal(warnings.length, 1, hostName);
    assert.ok(warnings[0]!.includes(`called "${config.name}"`), warnings[0]!);
  }
  assert.equal(named("10.0.0.5").config.name, "node-10-0-0-5");
  assert.deepEqual(named("web-1.example.org").warnings, []);
});

test("loadConfig() refuses impossible values", () => {
  refused(() => plain({ network: "10.42.0.1/16" }), "10.42.0.1/16", "did you mean 10.42.0.0/16?");
  refused(() => plain({ network: "fd00::/16" }), "fd00::/16", "IPv6");
  refused(() => plain({ network: "224.0.0.0/8" }), "224.0.0.0/8");
  refused(() => plain({ vni: "0" }), "--vni", "16777215");
  refused(() => plain({ vni: "16777216" }), "16777215");
  for (const port of ["0", "65536", "1e3", "-1", "0x10", "80 "]) {
    if (port !== "80 ") refused(() => plain({ port }), "--port", port);
  }
  refused(() => plain({ mtu: "575" }), "--mtu", "576");
  refused(() => plain({ mtu: "90000" }), "--mtu");
  refused(() => plain({ backend: "vxlna" }), "vxlna", "did you mean vxlan?");
  refused(() => plain({ name: "a b" }), "--name");
  for (const name of ADDRESS_LIKE) refused(() => plain({ name }), "--name", name, "address", "node-");
  for (const name of ["", " ", "a b", "a\tb", "a\u0000b", "-a", "a.", "\u00e9", "a".repeat(64)]) {
    refused(() => plain({ name }), "--name");
  }
  for (const name of ["1", "2024", "a".repeat(63), "ip-10-0-0-5", "web.1", "10.a", "cafe"]) {
    assert.equal(plain({ name }).config.name, name);
  }
  refused(() => plain({ device: "a/b" }), "--device");
  refused(() => plain({ device: "sixteen-letters-" }), "--device");
  refused(() => plain({ peers: ["http://x"] }), "--peers", "http://x");
  refused(() => plain({ peers: ["10.0.0.256"] }), "10.0.0.256");
  refused(() => plain({ peers: ["a:0"] }), "a:0");
  refused(() => plain({ peers: ["a:70000"] }), "a:70000");
  refused(() => plain({ "run-dir": `/${"x".repeat(120)}` }), "--run-dir", "too long");
});

test("loadConfig() refuses static peers that cannot work", () => {
  const peer = (text: string, more: Flags = {}) => () => plain({ "static-peer": [text], ...more });
  refused(peer("10.42.3.0/24=10.99.0.3,backend=vxlan"), "needs mac=");
  refused(peer("10.42.3.0/24=10.99.0.3"), "backend=");
  refused(peer("10.42.3.0/24=10.99.0.3,backend=gre"), "backend=gre");
  refused(peer("10.42.3.0/24"), "SUBNET=IP");
  refused(peer("10.42.3.1/24=10.99.0.3,backend=udp"), "10.42.3.0/24");
  refused(peer("10.42.3.0/24=host,backend=udp"), "host");
  refused(peer("10.42.3.0/24=10.99.0.3:0,backend=udp"), "10.99.0.3:0");
  refused(peer("10.42.3.0/24=10.99.0.3,backend=udp,mac=02:00:00:00:00:01"), "mac=");
  refused(peer("10.42.3.0/24=10.99.0.3,backend=vxlan,mac=01:00:00:00:00:01"), "mac=01");
  refused(peer("10.42.3.0/24=10.99.0.3,bakend=udp"), "did you mean backend=?");
  refused(peer("10.42.3.0/24=10.99.0.3,backend=udp", { network: "10.43.0.0/16" }), "10.43.0.0/16");
  refused(peer("10.42.3.0/24=10.42.9.3,backend=udp", { network: "10.42.0.0/16" }), "address of the host");
  const two = ["10.42.3.0/24=10.99.0.3,backend=udp", "10.42.3.128/25=10.99.0.4,backend=udp"];
  refused(() => plain({ "static-peer": two }), "overlap", "10.99.0.3", "10.99.0.4");
  const many = Array.from({ length: 17 }, (_, i) => `10.42.${i}.0/24=10.99.0.4,backend=udp`);
  plain({ "static-peer": many.slice(1) });
  refused(() => plain({ "static-peer": many }), "17 static peers", "at most 16");
});

test("loadConfig() refuses what is not built yet, and says so", () => {
  refused(() => load({ cipher: "none" }), "--cipher none", "--plain");
  refused(() => plain({ "secret-file": "x" }), "--secret-file", "--plain");
  refused(() => plain({}, { OVLTUN_SECRET: "x" }), "OVLTUN_SECRET", "--plain");
  refused(() => plain({ cipher: "aes-256-gcm" }), "--cipher aes-256-gcm", "--plain");
  assert.match(plain({ "allow-plain-direct": true }).warnings[0]!, /--allow-plain-direct has no effect/);
});

const sealed = load;

test("loadConfig() takes a mesh for sealed unless --plain is given", () => {
  const { config, warnings } = sealed({});
  assert.deepEqual([config.plain, config.cipher, config.secretFile, config.secretInEnvironment], [
    false,
    "auto",
    null,
    false,
  ]);
  assert.deepEqual(warnings, []);
  assert.equal(sealed({ cipher: "chacha20-poly1305" }).config.cipher, "chacha20-poly1305");
  assert.equal(sealed({ plain: true }).config.cipher, "none");
  refused(() => sealed({ cipher: "none" }), "--cipher none needs --plain");
  refused(() => sealed({ cipher: "aes-128-gcm" }), "aes-128-gcm", "aes-256-gcm");
  refused(() => sealed({ "secret-file": "x", plain: true }), "--secret-file x contradicts --plain");
});

test("loadConfig() lets no path in the clear into a sealed mesh without --allow-plain-direct", () => {
  const clear: readonly Flags[] = [
    { "direct-routing": true },
    { backend: "host-gw" },
    { "static-peer": ["10.42.4.0/24=10.99.0.4,backend=udp"] },
  ];
  for (const flags of clear) {
    refused(() => sealed(flags), `--${Object.keys(flags)[0]}`, "--allow-plain-direct");
    assert.deepEqual(sealed({ ...flags, "allow-plain-direct": true }).warnings, []);
  }
});

test("loadConfig() finds one place for the secret, and never holds the secret", () => {
  const words = "correct horse battery staple";
  const from = (flags: Flags, environment = {}, files = {}) => {
    const { config } = sealed(flags, environment, files);
    assert.ok(!JSON.stringify(config).includes(words));
    return [config.secretFile, config.secretInEnvironment];
  };
  const file = { "a.json": '{"secret-file": "in-file"}' };
  assert.deepEqual(from({ "secret-file": "f" }, { OVLTUN_SECRET: words }), ["f", false]);
  assert.deepEqual(from({}, { OVLTUN_SECRET: words }), [null, true]);
  assert.deepEqual(from({}, { OVLTUN_SECRET: "" }), [null, false]);
  assert.deepEqual(from({}, { OVLTUN_SECRET_FILE: "e" }), ["e", false]);
  assert.deepEqual(from({ config: "a.json" }, {}, file), ["in-file", false]);
  assert.deepEqual(from({ config: "a.json" }, { OVLTUN_SECRET: words }, file), [null, true]);
  refused(
    () => sealed({}, { OVLTUN_SECRET: words, OVLTUN_SECRET_FILE: "e" }),
    "OVLTUN_SECRET and OVLTUN_SECRET_FILE",
  );
  refused(() => sealed({ config: "b" }, {}, { b: '{"secret": "x"}' }), 'Key "secret"', "holds no secret");
});

test("loadConfig() repeats no secret that stands where a file was expected", () => {
  const text = `ovs1${"k7".repeat(29)}`;
  for (
    const run of [() => sealed({ "secret-file": text }), () => plain({}, { OVLTUN_SECRET_FILE: ` ${text}` })]
  ) {
    assert.throws(run, (error: Error) => {
      assert.match(error.message, /takes a file name, but was given a secret/);
      return !error.message.includes("k7k7");
    });
  }
});

test("refuseSecretArguments() refuses secrets in argv and repeats nothing of them", () => {
  const text = `ovt1${"k7".repeat(80)}`;
  const argvs = [
    ["up", "--secret", "hunter2"],
    ["up", "--secret=hunter2"],
    ["up", "--psk=hunter2"],
    ["join", text],
    ["join", `--join-file=${text}`],
    ["up", "--secret-file", text.toUpperCase()],
  ];
  for (const argv of argvs) {
    assert.throws(() => refuseSecretArguments(argv), (error: Error) => {
      assert.ok(error instanceof ConfigError);
      assert.match(error.message, /visible to every user of this host.*--secret-file/s);
      return !/hunter2|k7k7/i.test(error.message);
    }, argv.join(" "));
  }
  refuseSecretArguments(["up", "--secret-file", "/etc/ovs1.secret", "--name", "secret"]);
});

test("applyJoin() puts the token's facts into the configuration, and refuses what contradicts them", () => {
  const join = {
    networkName: "home",
    endpoints: ["10.0.0.1:8473"],
    pinnedNode: "ab".repeat(32),
    sealed: true,
  };
  const with_ = (flags: Flags, environment = {}, facts: Partial<typeof join> = {}) => () =>
    load(flags, environment, {}, { join: { ...join, ...facts } });
  const { config } = with_({ peers: ["b", "10.0.0.1:8473"], name: "beta" })();
  assert.deepEqual([config.peers, config.networkName, config.pinnedNode, config.name], [
    ["10.0.0.1:8473", "b"],
    "home",
    join.pinnedNode,
    "beta",
  ]);
  assert.equal(with_({ "network-name": "home" })().config.networkName, "home");
  assert.equal(sealed({}).config.pinnedNode, null);
  refused(with_({ "network-name": "work" }), "--network-name work contradicts the token", '"home"');
  refused(with_({ found: true }), "--found contradicts the token");
  refused(with_({ "secret-file": "f" }), "--secret-file given with a token");
  refused(with_({}, { OVLTUN_SECRET: "x" }), "OVLTUN_SECRET given with a token");
  refused(with_({ plain: true }), "--plain contradicts the token");
  refused(with_({}, {}, { sealed: false }), "for a plain mesh", "add --plain");
  assert.equal(with_({ plain: true }, {}, { sealed: false })().config.plain, true);
});

test("loadConfig() says which file and key is wrong", () => {
  const file = (text: string) => () => plain({ config: "a.json" }, {}, { "a.json": text });
  refused(file("{"), "a.json", "not JSON");
  refused(file("[]"), "a.json", "object");
  refused(file('{"subnet-ln": 3}'), '"subnet-ln"', '"a.json"', 'did you mean "subnet-len"?');
  refused(file('{"port": true}'), '"port"', '"a.json"', "a number");
  refused(file('{"port": 70000}'), "port", '"a.json"', "70000");
  refused(file('{"plain": "yes"}'), '"plain"', "true or false");
  refused(file('{"peers": [1]}'), '"peers"', "list of strings");
  refused(file('{"config": "b.json"}'), '"config"', '"a.json"');
  refused(() => plain({ config: "b.json" }), "b.json", "ENOENT");
  const conf = (text: string) => () => plain({ "net-conf": "n.json" }, {}, { "n.json": text });
  refused(conf('{"Network": 3}'), '"Network"', '"n.json"', "string");
  refused(conf('{"Backend": {"Type": "ipsec"}}'), '"Backend.Type"', "ipsec", "host-gw");
  refused(conf('{"Backend": []}'), '"Backend"', "object");
  refused(
    conf('{"Network": "10.42.0.0/16", "SubnetLen": 12}'),
    "SubnetLen 12",
    "Network 10.42.0.0/16",
    '"n.json"',
  );
});

test("loadConfig() warns of mistyped environment variables and of ignored net-conf keys", () => {
  const { warnings } = plain({ "net-conf": "n" }, { OVLTUN_SUBNT_LEN: "3", OVLTUN_ELSEWHERE_AT_ALL: "3" }, {
    n: '{"Backend":{"Type":"udp","GBP":true}}',
  });
  assert.equal(warnings.length, 2);
  assert.match(warnings[0]!, /OVLTUN_SUBNT_LEN.*OVLTUN_SUBNET_LEN/);
  assert.match(warnings[1]!, /Backend\.GBP/);
});

test("loadPlaces() follows flags and environment", () => {
  const readFile = () => "{}";
  const places = loadPlaces({
    flags: { "run-dir": "/a" },
    environment: { OVLTUN_STATE_DIR: "/b" },
    readFile,
  });
  assert.deepEqual(places, { runDir: "/a", stateDir: "/b", subnetFile: "/a/subnet.env", device: "ovl0" });
});

test("loadConfig() answers nonsense with ConfigError only", () => {
  const words = [
    "10.42.0.0/16",
    "10.42.0.0/8",
    "10.42.1.0",
    "0",
    "1",
    "24",
    "33",
    "vxlan",
    "udp",
    "none",
    "a.b:1",
    "::",
  ];
  const text = fc.oneof(fc.string(), fc.constantFrom(...words), fc.integer().map(String));
  const value = fc.oneof(text, fc.array(text, { maxLength: 3 }), fc.boolean());
  const names = fc.constantFrom(...ALL_SETTINGS.map((setting) => setting.flag));
  const json = fc.oneof(
    fc.json(),
    fc.string(),
    fc.dictionary(names, fc.oneof(value, fc.integer())).map((o) => JSON.stringify(o)),
  );
  const environment = fc.dictionary(names.map(environmentKey), text);
  fc.assert(
    fc.property(fc.dictionary(names, value), environment, json, json, (flags, env, config, netConf) => {
      try {
        const readFile = (path: string) => path.length % 2 === 0 ? config : netConf;
        loadConfig({
          flags: { plain: true, ...flags },
          environment: env,
          readFile,
          hostName: "\u0000weird host",
        });
      } catch (error) {
        assert.ok(error instanceof ConfigError, String((error as Error).stack));
      }
    }),
    { numRuns: 2000, seed: 8473 },
  );
});

test("loadConfig() takes 1 to 16 workers, one unless told otherwise", () => {
  assert.equal(plain({}).config.workers, 1);
  for (const workers of [1, 2, 16]) assert.equal(plain({ workers: `${workers}` }).config.workers, workers);
  for (const workers of ["0", "17", "-1", "2.5", "all"]) {
    refused(() => plain({ workers }), "--workers", workers);
  }
});

test("loadConfig() reads the networks of both families from flags, environment and file", () => {
  const given = [
    plain({ network6: "fd42:1:2::/48", "subnet6-len": 72, subnet6: "fd42:1:2:7::/72" }),
    plain({}, {
      OVLTUN_NETWORK6: "fd42:1:2::/48",
      OVLTUN_SUBNET6_LEN: "72",
      OVLTUN_SUBNET6: "fd42:1:2:7::/72",
    }),
    plain({ config: "c" }, {}, {
      c: '{"network6":"fd42:1:2::/48","subnet6-len":72,"subnet6":"fd42:1:2:7::/72"}',
    }),
  ];
  for (const { config: { ipv6, withoutIpv4, network }, warnings } of given) {
    assert.deepEqual([ipv6.network?.text, ipv6.subnetLen, ipv6.subnet?.text], [
      "fd42:1:2::/48",
      72,
      "fd42:1:2:7::/72",
    ]);
    assert.deepEqual([ipv6.choice, withoutIpv4, network, warnings], [null, false, null, []]);
  }
  const alone = plain({ network: "none", network6: "auto" }).config;
  assert.deepEqual([alone.network, alone.withoutIpv4, alone.ipv6.choice], [null, true, "auto"]);
  assert.equal(plain({ network6: "none" }).config.ipv6.choice, "none");
  assert.equal(plain({ network6: "fd42:1:2:2::/63" }).config.ipv6.defaultSubnetLen, 65);
});

test("loadConfig() refuses what contradicts itself in either family, by the flag's name", () => {
  const cases: [Flags, ...string[]][] = [
    [{ network: "fd42:1:2::/48" }, "--network fd42:1:2::/48 is IPv6", "--network6"],
    [{ network6: "10.42.0.0/16" }, "--network6 10.42.0.0/16 is IPv4", "--network"],
    [{ network6: "fd42:1:2::1/48" }, "--network6", "host bits", "did you mean fd42:1:2::/48?"],
    [{ network6: "x" }, '--network6 must be a prefix such as "fd42:1:2::/48", not "x"'],
    [{ network6: "fe80::/64" }, "--network6 fe80::/64", "--network6 auto"],
    [{ network6: "ff05::/48" }, "cannot be used"],
    [{ network6: "fd42::/125" }, "--network6 fd42::/125 is too small"],
    [{ network: "none" }, "--network none needs --network6"],
    [{ network: "none", network6: "none" }, "leave no addresses"],
    [{ network: "none", network6: "auto", "subnet-len": 24 }, "--subnet-len 24 contradicts --network none"],
    [{ network6: "none", subnet6: "fd42:1:2:7::/64" }, "contradicts --network6 none"],
    [{ network6: "fd42:1:2::/48", "subnet6-len": 40 }, "too small for --subnet6-len 40"],
    [{ network6: "fd42:1:2::/48", subnet6: "fd43:1:2::/64" }, "--subnet6 fd43:1:2::/64 is not in --network6"],
    [{ network6: "fd42:1:2::/48", "subnet6-min": "fd42:1:2:1::1" }, "--subnet6-min", "first address"],
    [
      { network6: "fd42:1:2::/48", "subnet6-min": "fd42:1:2:9::", "subnet6-max": "fd42:1:2:8::" },
      "--subnet6-min fd42:1:2:9:: is greater",
    ],
    [{ "subnet6-min": "10.42.1.0" }, "IPv6 address"],
  ];
  for (const [flags, ...parts] of cases) refused(() => plain(flags), ...parts);
});
