/** Whether a process still runs: kill(2) with signal 0, and proc(5), since a zombie only waits to be reaped. */
import { readFileSync } from "node:fs";
import process from "node:process";

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as { code?: string }).code === "EPERM";
  }
  return !/^[ZX]/.test(stateOf(pid));
}

/** The state letter of `/proc/PID/stat`, which follows the name in parentheses; "" when it cannot be read. */
function stateOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2);
  } catch {
    return ""; // no proc, or gone this moment: the next look tells
  }
}
