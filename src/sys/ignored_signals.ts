/**
 * Which signals a process was told to ignore by what started it (proc_pid_status(5), SigIgn): a handler would undo
 * that, and the runtimes tell of no signal how it is.
 */
import { readFileSync } from "node:fs";

/** Whether signal `number` is ignored right now; false where /proc does not tell. Before any handler is set. */
export function isIgnored(number: number): boolean {
  let status: string;
  try {
    status = readFileSync("/proc/self/status", "latin1");
  } catch {
    return false; // no proc
  }
  const mask = /^SigIgn:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0";
  return (BigInt(`0x${mask}`) >> BigInt(number - 1) & 1n) === 1n;
}
