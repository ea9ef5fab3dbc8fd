/**
 * A paused process hears nothing, not even that the lab is gone. So while one is paused, another process of this very
 * program (the hidden command `lab-guard`) knows its pid, and kills it when the lab ends without having continued it: its
 * stdin ends then, also when the lab was killed.
 */
import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { selfCommand } from "../../sys/self_command.ts";

export class Guard {
  readonly #child: ChildProcess;

  constructor() {
    const [program, ...leading] = selfCommand();
    this.#child = spawn(program!, [...leading, "lab-guard"], { stdio: ["pipe", "ignore", "inherit"] });
    this.#child.stdin!.on("error", () => {}); // it has ended: then there is no guard, and all else goes on
    this.#child.on("error", () => {});
  }

  paused(pid: number): void {
    this.#child.stdin!.write(`+${pid}\n`);
  }

  continued(pid: number): void {
    this.#child.stdin!.write(`-${pid}\n`);
  }

  close(): void {
    this.#child.stdin!.end();
  }
}

/** What `lab-guard` does until its stdin ends. */
export async function guard(input: AsyncIterable<string>): Promise<void> {
  // BOUNDED: one per host of the lab
  const paused = new Set<number>();
  let rest = "";
  for await (const text of input) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) {
      const pid = Number(line.slice(1));
      if (line.startsWith("+")) paused.add(pid);
      else paused.delete(pid);
    }
  }
  for (const pid of paused) endProcess(pid);
}

function endProcess(pid: number): void {
  try {
    if (pid > 1) process.kill(pid, "SIGKILL");
  } catch {
    // it is gone
  }
}
