/** Whether a process exists (kill(2) with signal 0): a zombie does, and so does one that is not ours to signal. */
import process from "node:process";

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as { code?: string }).code === "EPERM";
  }
}
