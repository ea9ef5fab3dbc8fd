/** What a founder tells: the line that lets another host join. It holds no secret. */
import { type Config, DEFAULT_RUN_DIR, DEFAULT_STATE_DIR } from "../../config/config.ts";

/**
 * A sentence with the command; directories are named where they are not the default ones, and a flag without which the
 * other would be refused.
 */
export function joinAdvice(
  { runDir, stateDir, backend }: Pick<Config, "runDir" | "stateDir" | "backend">,
): string {
  const places = [
    ...(runDir === DEFAULT_RUN_DIR ? [] : ["--run-dir", quoted(runDir)]),
    ...(stateDir === DEFAULT_STATE_DIR ? [] : ["--state-dir", quoted(stateDir)]),
  ];
  const token = ["ovltun", "token", ...places].join(" ");
  const join = ["ovltun", "join", ...(backend === "host-gw" ? ["--allow-plain-direct"] : [])].join(" ");
  return `To let another host join, run as root on this one: ${token} | ssh root@HOST ${join}`;
}

/** As a shell reads it. */
function quoted(path: string): string {
  return /^[\w.\/-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}
