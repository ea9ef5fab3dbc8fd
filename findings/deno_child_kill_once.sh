#!/usr/bin/env bash
# Deno 2.9.6 and the second signal to a child of node:child_process.
#
# One would guess: child.kill(signal) sends a signal each time, as in Node and Bun, so a child can be stopped, continued and
# ended: kill("SIGSTOP"), kill("SIGCONT"), kill("SIGKILL").
#
# What happens: in Deno only the first call sends anything. It sets child.killed, as it does everywhere; but from then on each
# call returns false and sends nothing. The child stays stopped for ever. process.kill(child.pid, signal) works.
#
# Why it matters: a program that pauses its children, or asks them to end with SIGTERM and, when they do not, with SIGKILL,
# leaves them behind under Deno, and nothing says so but a return value that one has no reason to look at.
#
# Exits 0 while this is so, 1 when it has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-save --prefix "$work" deno@2.9.6 bun@1.4.5 >/dev/null
cat > kill.mjs <<'JS'
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import process from "node:process";
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const child = spawn("sleep", ["30"], { stdio: "ignore" });
// The letter after the name: S asleep, T stopped; "gone" when there is no such process, or only its entry.
const state = () => {
  try {
    const letter = readFileSync(`/proc/${child.pid}/stat`, "utf8").split(") ")[1][0];
    return letter === "Z" ? "gone" : letter;
  } catch {
    return "gone";
  }
};
await pause(200);
const seen = [];
for (const signal of ["SIGSTOP", "SIGCONT", "SIGKILL"]) {
  const sent = child.kill(signal);
  await pause(300);
  seen.push(`${signal} ${sent} ${state()}`);
}
console.log(seen.join(", "));
if (state() !== "gone") process.kill(child.pid, "SIGKILL");
process.exit(0);
JS
node=$(node kill.mjs)
bun=$(node_modules/.bin/bun kill.mjs)
deno=$(node_modules/.bin/deno run -A --quiet kill.mjs)
echo "node $(node --version): $node"
echo "bun $(node_modules/.bin/bun --version):  $bun"
echo "deno 2.9.6: $deno"
all="SIGSTOP true T, SIGCONT true S, SIGKILL true gone"
[ "$node" = "$all" ] && [ "$bun" = "$all" ] && [ "$deno" = "SIGSTOP true T, SIGCONT false T, SIGKILL false T" ]
