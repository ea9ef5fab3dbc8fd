#!/usr/bin/env bash
# Deno 2.9.6 and signals that nobody asked it to handle.
#
# One would guess: a SIGHUP that is ignored when the process starts (nohup, trap '' HUP) stays ignored until the program
# listens to SIGHUP itself, as POSIX keeps it over exec and as Bun and Node do; and SIGUSR1 does what its listener says.
#
# What happens: with the first listener for any signal, here SIGUSR2, and about a second after the start without any, Deno
# takes SIGHUP over too and dies of it (129), nohup or not. And SIGUSR1 opens a debugger on 127.0.0.1:9229, also where the program has a listener for it, which runs
# besides.
#
# Why it matters: a daemon under nohup is killed half-way when its terminal closes; it has to listen
# to SIGHUP with an empty function where it was ignored at the start (SigIgn in /proc/self/status, read before the first
# listener). And SIGUSR1 is no harmless "reload" for a program that Deno runs: any local user can then debug it.
#
# Exits 0 while this is so, 1 when it has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-save --prefix "$work" deno@2.9.6 bun@1.4.5 >/dev/null
deno=$work/node_modules/.bin/deno
bun=$work/node_modules/.bin/bun
"$deno" --version | head -n 1

cat >listen.mjs <<'JS'
import { readFileSync } from "node:fs";
import process from "node:process";
const signal = process.argv[2];
if (signal !== undefined) process.on(signal, () => console.log(`the listener of ${signal} ran`));
const status = readFileSync("/proc/self/status", "utf8");
console.log(status.match(/SigIgn:\s*\w+/)[0].replace(/\s+/, " "), "(bit 0 is SIGHUP)");
setTimeout(() => console.log("alive to the end"), 4000);
JS

# run NAME SIGNAL-TO-SEND COMMAND…: with SIGHUP ignored from the start; prints what came out and the exit code.
run() {
  local name=$1 signal=$2 code=0
  shift 2
  (trap '' HUP; exec "$@") >"$name.out" 2>&1 &
  local pid=$!
  until grep -qs SigIgn "$name.out"; do sleep 0.05; done
  sleep 1 # Deno waits about as long before it listens for its debugger
  kill "-$signal" "$pid"
  wait "$pid" 2>/dev/null || code=$?
  echo "exit $code" >>"$name.out"
  echo "--- $name"
  cat "$name.out"
}

run "deno without a listener, SIGHUP" HUP "$deno" run -A listen.mjs
run "deno with a listener for SIGUSR2, SIGHUP" HUP "$deno" run -A listen.mjs SIGUSR2
run "bun with a listener for SIGUSR2, SIGHUP" HUP "$bun" listen.mjs SIGUSR2
run "deno with a listener for SIGUSR1, SIGUSR1" USR1 "$deno" run -A listen.mjs SIGUSR1

changed=0
expect() { grep -q "$2" "$1.out" || { echo "CHANGED: \"$1\" no longer says \"$2\""; changed=1; }; }
expect "deno without a listener, SIGHUP" "exit 129"
expect "deno with a listener for SIGUSR2, SIGHUP" "exit 129"
expect "bun with a listener for SIGUSR2, SIGHUP" "alive to the end"
expect "deno with a listener for SIGUSR1, SIGUSR1" "Debugger listening on ws://127.0.0.1"
expect "deno with a listener for SIGUSR1, SIGUSR1" "the listener of SIGUSR1 ran"
exit "$changed"
