import { test } from "node:test";
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import process from "node:process";
import { selfCommand } from "../../src/sys/self_command.ts";

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function ovltun(...argv: string[]): Ended {
  const [program, ...leading] = selfCommand();
  const env = { ...process.env, NO_COLOR: "1", OVLTUN_RUN_DIR: "/nonexistent/ovltun" };
  const ended = spawnSync(program!, [...leading, ...argv], { encoding: "utf8", env });
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
  for (const name of ["up", "down", "wait", "status", "peers", "leases", "routes", "ping", "why", "lab"]) {
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
  for (const name of ["up", "down", "wait", "status", "why", "ping", "lab", ""]) {
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
  misused(["up"], /Encryption is not built yet, start with --plain/);
  misused(["up", "--plain", "--mtu"], /argument missing/);
  misused(["status", "extra"], /Too many arguments/);
  misused(["wait", "--timeout", "soon"], /30s/);
  misused(["lab", "--hosts", "1"], /from 2 to 250/);
  misused(["lab", "--backend", "gre"], /udp, vxlan, host-gw/);
  misused(["ping"], /Missing required argument/);
  misused(["doctor", "--anything"], /not built yet/);
});

test("reading commands say that no daemon answers and end with 1", () => {
  for (
    const argv of [["status"], ["peers", "--json"], ["leases"], ["routes"], ["why", "x"], [
      "ping",
      "x",
      "-c",
      "1",
    ]]
  ) {
    const ended = ovltun(...argv);
    assert.equal(ended.code, 1, argv.join(" "));
    assert.equal(
      ended.err,
      'No ovltun daemon answers at "/nonexistent/ovltun/control.sock" (start one with: ovltun up …)\n',
    );
    assert.equal(ended.out, "");
  }
  for (const argv of [["status"], ["why", "x"], ["ping", "x", "-c", "1"], ["wait", "--timeout", "1ms"]]) {
    misused([...argv, "--config", "/nonexistent/ovltun.json"], /Cannot read --config/);
  }
  const waited = ovltun("wait", "--timeout", "200ms", "--run-dir", "/nonexistent/other");
  assert.equal(waited.code, 1);
  assert.match(
    waited.err,
    /Gave up after 0\.2 s: No ovltun daemon answers at "\/nonexistent\/other\/control\.sock"/,
  );
});
