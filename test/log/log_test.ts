import { test } from "node:test";
import assert from "node:assert/strict";
import { configureLog, logger, LogLimit } from "../../src/log/log.ts";

function capture(format: "text" | "json", level: "debug" | "warn", use: () => void): string[] {
  const lines: string[] = [];
  configureLog(level, format, (line) => lines.push(line));
  try {
    use();
  } finally {
    configureLog("info", "text");
  }
  return lines;
}

test("logger writes one escaped line an event", () => {
  const [line, ...rest] = capture("text", "debug", () => {
    logger.info("hello\n2026 error forged \x1b[31m", { peer: 'be"ta x', path: "tunnel", lease: undefined });
  });
  assert.deepEqual(rest, []);
  assert.match(
    line!,
    /Z info {2}hello\\u\{a\}2026 error forged \\u\{1b\}\[31m peer="be\\"ta x" path=tunnel\n$/,
  );
});

test("logger writes JSON whose fixed keys cannot be overwritten", () => {
  const [line] = capture(
    "json",
    "debug",
    () => logger.warn("x", { level: "forged", peer: "a\u202eb", epoch: 3 }),
  );
  const parsed = JSON.parse(line!) as Record<string, unknown>;
  assert.deepEqual([parsed["level"], parsed["message"], parsed["peer"], parsed["epoch"]], [
    "warn",
    "x",
    "a\\u{202e}b",
    3,
  ]);
});

test("logger leaves out what lies below the level and cuts long texts", () => {
  const lines = capture("text", "warn", () => {
    logger.info("no");
    logger.error("x".repeat(5000));
  });
  assert.equal(lines.length, 1);
  assert.ok(lines[0]!.length < 600);
});

test("LogLimit admits one an interval and counts the rest, for a bounded number of keys", () => {
  const limit = new LogLimit(1000);
  assert.equal(limit.admit("a", 0), 0);
  assert.equal(limit.admit("a", 1), null);
  assert.equal(limit.admit("a", 999), null);
  assert.equal(limit.admit("b", 999), 0);
  assert.equal(limit.admit("a", 1000), 2);
  for (let i = 0; i < 5000; i++) limit.admit(`k${i}`, 1001);
  assert.equal(limit.admit("a", 1002), 0);
});
