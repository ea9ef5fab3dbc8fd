/** Programs that run beside the daemon and are not waited for. */
import { spawn } from "node:child_process";
import process from "node:process";

/** As `Surroundings.run` (ports/machine.ts). */
export function run(
  program: string,
  environment: Readonly<Record<string, string>>,
  milliseconds: number,
  onTrouble: (sentence: string) => void,
): void {
  const child = spawn(program, [], {
    env: { ...process.env, ...environment },
    stdio: ["ignore", "inherit", "inherit"],
    timeout: milliseconds,
    killSignal: "SIGKILL", // one that hangs may well ignore SIGTERM
  });
  child.on("error", (error) => onTrouble(`Cannot run "${program}": ${error.message}`));
  child.on("exit", (code) => {
    const end = code === null
      ? `was killed (it may take ${milliseconds / 1000} s)`
      : `exited with code ${code}`;
    if (code !== 0) onTrouble(`"${program}" ${end}`);
  });
}
