/** What ends the process from outside: signals, and on demand the end of stdin. */
import process from "node:process";
import { isIgnored } from "../sys/ignored_signals.ts";

/**
 * What would end the process half-way without a handler: the terminal that closes, a supervisor's or a person's kill,
 * a limit of processor time, a timer. Not here: what a fault of the program raises, what the runtimes need themselves
 * (SIGPWR, SIGSYS), and what they ignore already (SIGPIPE, SIGXFSZ: the write that fails tells).
 */
const ENDING = [
  "SIGHUP",
  "SIGINT",
  "SIGQUIT",
  "SIGTERM",
  "SIGUSR1",
  "SIGUSR2",
  "SIGALRM",
  "SIGVTALRM",
  "SIGPROF",
  "SIGXCPU",
  "SIGIO",
] as const;
const SIGHUP = 1;

/**
 * Calls `stop` with the name of each signal that ends a process, and when stdin ends if the environment asks for that.
 * A SIGHUP that was ignored at the start stays so (nohup(1)). Returns the undo.
 */
export function onStop(stop: (why: string) => void): () => void {
  // By a listener, and not by none: Deno takes SIGHUP over by itself, ignored or not, and dies of it.
  const stays = isIgnored(SIGHUP) ? "SIGHUP" : null;
  const listeners = ENDING.map((name) => [name, name === stays ? () => {} : () => stop(name)] as const);
  for (const [name, listener] of listeners) process.on(name, listener);
  if (process.env["OVLTUN_EXIT_WITH_STDIN"] === "1") {
    const ended = () => stop("end of stdin");
    process.stdin.on("end", ended);
    process.stdin.on("error", ended);
    process.stdin.resume();
  }
  return () => {
    for (const [name, listener] of listeners) process.off(name, listener);
  };
}
