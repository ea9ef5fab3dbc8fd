import { test } from "node:test";
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { givenSecret, runUp } from "../../src/cli/up.ts";
import { ConfigError } from "../../src/config/config.ts";
import { encodeToken } from "../../src/crypto/join_token.ts";
import { NetworkSecret } from "../../src/crypto/network_secret.ts";
import { selfCommand } from "../../src/sys/self_command.ts";

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function ovltun(...argv: string[]): Ended {
  return ovltunWith("", {}, argv);
}

function ovltunWith(input: string, more: Record<string, string>, argv: readonly string[]): Ended {
  const [program, ...leading] = selfCommand();
  const env = { ...process.env, NO_COLOR: "1", OVLTUN_RUN_DIR: "/nonexistent/ovltun", ...more };
  const ended = spawnSync(program!, [...leading, ...argv], { encoding: "utf8", env, input });
  return { code: ended.status, out: ended.stdout, err: ended.stderr };
}

function misused(argv: string[], message: RegExp): void {
  const ended = ovltun(...argv);
  assert.equal(ended.code, 2, `${argv.join(" ")}: ${ended.err}`);
  assert.match(ended.err, message);
  assert.equal(ended.out, "");
  assert.ok(!/^\s+at /m.test(ended.err), ended.err);
}

test("version and help write to stdout and end with 0", () => {
  const version = ovltun("version", "--json");
  assert.equal(version.code, 0, version.err);
  const facts = JSON.parse(version.out) as { version: string; runtime: string };
  assert.match(facts.version, /^\d+\.\d+\.\d+/);
  assert.match(ovltun("--version").out, new RegExp(`^ovltun ${facts.version} \\(`));
  const help = ovltun("help");
  assert.equal(help.code, 0);
  for (
    const name of [
      "up",
      "down",
      "wait",
      "status",
      "peers",
      "leases",
      "routes",
      "ping",
      "why",
      "lab",
      "join",
      "token",
      "secret",
      "forget",
      "doctor",
    ]
  ) {
    assert.match(help.out, new RegExp(`^  ${name} `, "m"));
  }
  assert.equal(ovltun("help", "up").out, ovltun("up", "--help").out);
});

test("every flag of up has help", () => {
  const help = ovltun("up", "--help").out;
  for (
    const flag of [
      "peers",
      "plain",
      "network",
      "subnet-len",
      "static-peer",
      "net-conf",
      "workers",
      "log-format",
    ]
  ) {
    assert.match(help, new RegExp(`^  --${flag} .*[a-z]`, "m"));
  }
});

test("every help page fits 80 columns and says each default once", () => {
  for (const name of ["up", "down", "wait", "status", "why", "ping", "lab", "join", "token", "secret", ""]) {
    const help = ovltun(...name === "" ? [] : [name], "--help").out;
    assert.ok(!help.includes("default:"), help);
    for (const line of help.split("\n")) assert.ok([...line].length <= 90, line);
  }
});

test("mistakes end with 2, a sentence on stderr and a suggestion", () => {
  misused([], /Usage: ovltun/);
  misused(["statsu"], /Unknown command "statsu"\n\(Did you mean status\?\)/);
  misused(["up", "--peer", "x"], /Unknown option "--peer"\n\(Did you mean --peers\?\)/);
  misused(
    ["up", "--plain", "--network", "10.42.0.0/16", "--subnet", "10.9.0.0/24"],
    /--subnet 10\.9\.0\.0\/24.*--network/,
  );
  misused(["up", "--plain", "--mtu"], /argument missing/);
  misused(["status", "extra"], /Too many arguments/);
  misused(["wait", "--timeout", "soon"], /30s/);
  misused(["lab", "--hosts", "1"], /from 2 to 250/);
  misused(["lab", "--backend", "gre"], /udp, vxlan, host-gw/);
  misused(["lab", "--chaos", "0"], /from 1 to 3600/);
  misused(["lab", "--seed", "1"], /--seed is for --chaos SECONDS/);
  misused(["lab", "--chaos", "5", "--ipv6"], /--ipv6 goes without --chaos/);
  misused(["lab", "--chaos", "5", "--keep"], /--keep goes without --chaos/);
  misused(["ping"], /Missing required argument/);
  misused(["install", "--anything"], /Unknown command "install"/);
});

test("reading commands say that no daemon answers and end with 1", () => {
  for (
    const argv of [
      ["status"],
      ["peers", "--json"],
      ["leases"],
      ["routes"],
      ["token"],
      ["forget", "x", "--revoke"],
      ["why", "x"],
      [
        "ping",
        "x",
        "-c",
        "1",
      ],
    ]
  ) {
    const ended = ovltun(...argv);
    assert.equal(ended.code, 1, argv.join(" "));
    assert.equal(
      ended.err,
      'No ovltun daemon is running at "/nonexistent/ovltun/control.sock" (start one with: ovltun up)\n',
    );
    assert.equal(ended.out, "");
  }
  for (const argv of [["status"], ["why", "x"], ["ping", "x", "-c", "1"], ["wait", "--timeout", "1ms"]]) {
    misused([...argv, "--config", "/nonexistent/ovltun.json"], /Cannot read --config .*: no such file$/m);
  }
  const waited = ovltun("wait", "--timeout", "200ms", "--run-dir", "/nonexistent/other");
  assert.equal(waited.code, 1);
  assert.match(
    waited.err,
    /Gave up after 0\.2 s: No ovltun daemon is running at "\/nonexistent\/other\/control\.sock"/,
  );
});

test("secret new prints one secret to stdout, another each time, and what to do to stderr", () => {
  const [one, two] = [ovltun("secret", "new"), ovltun("secret", "new")];
  assert.equal(one.code, 0, one.err);
  assert.match(one.out, /^ovs1[0-9a-z]{58}\n$/);
  assert.notEqual(one.out, two.out);
  assert.match(one.err, /umask 077; ovltun secret new > .*--secret-file/s);
  assert.ok(!one.err.includes(one.out.trim()));
});

test("a secret or a token as an argument is refused, and not repeated", () => {
  misused(
    ["up", "--plain", "--secret", "hunter2"],
    /There is no --secret: .*ps.*--secret-file.*OVLTUN_SECRET/,
  );
  assert.ok(!ovltun("up", "--secret=hunter2").err.includes("hunter2"));
  misused(["join", `ovt1${"7".repeat(100)}`], /command line is visible to every user.*ovltun join on stdin/);
});

test("join reads a token from stdin or a file, and says what is wrong with what it got", () => {
  const token = encodeToken({
    networkName: "home",
    endpoints: ["192.0.2.1:8473"],
    secret: NetworkSecret.create(),
    issuer: "ab".repeat(32),
    expiresAt: null,
  });
  const directory = mkdtempSync(join(tmpdir(), "ovltun-cli-"));
  const places = ["--state-dir", join(directory, "state"), "--run-dir", join(directory, "run")];
  const joined = (input: string, ...argv: string[]) => {
    const ended = ovltunWith(input, {}, ["join", ...places, ...argv]);
    assert.equal(ended.code, 2, ended.err);
    assert.ok(!ended.err.includes(token.slice(10, 40)) && ended.out === "", ended.err);
    return ended.err;
  };
  try {
    assert.match(joined(""), /^No token given \(ovltun token on a member/);
    assert.match(joined("nonsense\n"), /This is not a token/);
    assert.match(joined(token.slice(1, 60)), /This is not a token/);
    assert.match(joined(token.slice(0, 90)), /incomplete or was altered/);
    const broken = token.replace(/.{50}/g, "$&\r\n  ");
    assert.match(joined(broken, "--plain"), /--plain contradicts the token/);
    assert.match(joined(broken, "--network-name", "work"), /--network-name work contradicts the token/);
    const file = join(directory, "token");
    writeFileSync(file, token, { mode: 0o600 });
    assert.match(joined("", "--join-file", file, "--found"), /--found contradicts the token/);
    assert.match(
      ovltunWith("", { OVLTUN_JOIN_FILE: file }, ["join", "--found", ...places]).err,
      /--found contradicts the token/,
    );
    chmodSync(file, 0o644);
    const open = ovltunWith("", {}, ["join", "--join-file", file, ...places]);
    assert.match(open.err, /contains a token but other users can read it \(mode 0644\); run: chmod 600 /);
    assert.equal(open.code, 2, "systemd is not to start it again before somebody has looked");
    assert.match(
      joined("", "--join-file", join(directory, "none")),
      /Cannot read the token file ".*none": no such file/,
    );
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("a misused command line is told where to read", () => {
  misused(["frob"], /Unknown command "frob"\n\(see: ovltun help\)\n$/);
  misused(["help", "frob"], /Unknown command "frob" \(see: ovltun help\)\n/);
  misused(["help", "statsu"], /Unknown command "statsu" \(did you mean status\?\)\n/);
  misused(["why"], /Missing required argument "NODE"\n\(see: ovltun why --help\)\n$/);
  misused(["up", "--peer", "x"], /Did you mean --peers\?\)\n\(see: ovltun up --help\)\n$/);
});

test("token refuses to expire in less than the minutes it tells", () => {
  misused(["token", "--expires", "30s"], /Give a minute or more: expiry is in whole minutes/);
  assert.match(ovltun("token", "--expires", "1m").err, /nonexistent/);
});

test("OVLTUN_SECRET is gone from the environment once it was read, and in no message", async () => {
  const words = "correct horse battery staple";
  const before = process.env["OVLTUN_SECRET"];
  process.env["OVLTUN_SECRET"] = words;
  try {
    await assert.rejects(runUp({ plain: true }, null), (error: Error) => {
      assert.match(error.message, /OVLTUN_SECRET contradicts --plain/);
      return !`${error.message}${error.stack}`.includes(words);
    });
    assert.equal(process.env["OVLTUN_SECRET"], undefined);
  } finally {
    if (before !== undefined) process.env["OVLTUN_SECRET"] = before;
  }
  const config = {
    secretFile: null,
    secretInEnvironment: true,
    networkName: "home",
    stateDir: "/nonexistent",
  };
  assert.ok(givenSecret(config, words, null)!.secret.equals(NetworkSecret.parse(words, "home")));
  assert.throws(
    () => givenSecret(config, "hunter2", null),
    /^ConfigError: OVLTUN_SECRET: The passphrase is too short/,
  );
});

test("A secret file that nobody made: a new host is told how to come by a secret, a member goes on with its own", () => {
  const stateDir = mkdtempSync(join(tmpdir(), "ovltun-state-"));
  try {
    const secretFile = "/nonexistent/ovltun.secret";
    const config = { secretFile, secretInEnvironment: false, networkName: "home", stateDir };
    assert.throws(() => givenSecret(config, "", null), (error: Error) => {
      assert.ok(error instanceof ConfigError);
      assert.match(error.message, /no such file\. On the first host of a mesh, create it/);
      assert.match(error.message, /\(umask 077; ovltun secret new > "\/nonexistent\/ovltun\.secret"\)/);
      assert.match(
        error.message,
        /on every other host, copy that file, or .*ovltun token .* ovltun join/,
      );
      return true;
    });
    writeFileSync(join(stateDir, "secret"), `${NetworkSecret.create().text()}\n`, { mode: 0o600 });
    assert.equal(givenSecret(config, "", null), null);
  } finally {
    rmSync(stateDir, { recursive: true });
  }
});

test("After a join with an expired token, up founds nothing until that is asked for", () => {
  const directory = mkdtempSync(join(tmpdir(), "ovltun-cli-"));
  try {
    const stateDir = join(directory, "state");
    const token = encodeToken({
      networkName: "home",
      endpoints: ["192.0.2.1:8473"],
      secret: NetworkSecret.create(),
      issuer: "ab".repeat(32),
      expiresAt: 60_000,
    });
    const places = ["--state-dir", stateDir, "--run-dir", join(directory, "run")];
    const joined = ovltunWith(token, {}, ["join", ...places]);
    assert.equal(joined.code, 2, joined.err);
    assert.match(joined.err, /^The token expired at 1970-01-01/);
    const text = readFileSync(join(stateDir, "join.json"), "utf8");
    assert.ok(!text.includes("ovs1") && text.includes("192.0.2.1:8473"), "no secret of it is kept");
    const up = ovltunWith("", {}, ["up", ...places]);
    assert.equal(up.code, 2, up.err);
    assert.match(
      up.err,
      /A join started on this host, to 192\.0\.2\.1:8473.*The token expired.*ovltun up --found/,
    );
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("After a join that got no whole token, or flags that it refuses, up does not found a mesh in its place", () => {
  const directory = mkdtempSync(join(tmpdir(), "ovltun-cli-"));
  try {
    const at = (name: string) => ["--state-dir", join(directory, name), "--run-dir", join(directory, "run")];
    for (const [name, input] of [["none", ""], ["broken", "nonsense\n"]] as const) {
      assert.equal(ovltunWith(input, {}, ["join", ...at(name)]).code, 2);
      const up = ovltunWith("", {}, ["up", ...at(name)]);
      assert.equal(up.code, 2, up.err);
      assert.match(up.err, /A join started on this host is not finished: .*token.*ovltun up --found/);
    }
    const [secret, peer] = [NetworkSecret.create(), "192.0.2.1:8473"];
    const token = encodeToken({
      networkName: "home",
      endpoints: [peer],
      secret,
      issuer: "ab".repeat(32),
      expiresAt: null,
    });
    assert.equal(ovltunWith(token, {}, ["join", "--mtu", "many", ...at("flags")]).code, 2);
    const kept = JSON.parse(readFileSync(join(directory, "flags", "join.json"), "utf8"));
    assert.deepEqual([kept.peers, kept.secret, kept.refused], [[peer], secret.text(), undefined]);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("After a join to a plain mesh that lacked --plain, up founds nothing either", () => {
  const directory = mkdtempSync(join(tmpdir(), "ovltun-cli-"));
  try {
    const token = encodeToken({
      networkName: "home",
      endpoints: ["192.0.2.1:8473"],
      secret: null,
      issuer: "ab".repeat(32),
      expiresAt: null,
    });
    const places = ["--state-dir", join(directory, "state"), "--run-dir", join(directory, "run")];
    const joined = ovltunWith(token, {}, ["join", ...places]);
    assert.equal(joined.code, 2, joined.err);
    assert.match(joined.err, /The token is for a plain mesh.*add --plain/);
    const up = ovltunWith("", {}, ["up", ...places]);
    assert.equal(up.code, 2, up.err);
    assert.match(
      up.err,
      /A join started on this host, to 192\.0\.2\.1:8473.*that mesh is plain: add --plain/,
    );
  } finally {
    rmSync(directory, { recursive: true });
  }
});
