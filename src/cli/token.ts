/**
 * `ovltun token`: one string that lets another host join. The daemon tells its name and endpoints over its socket; the
 * secret comes from the state directory, never from the API.
 */
import { type Command, InvalidArgumentError } from "commander";
import { callApi } from "../api/client.ts";
import type { Status } from "../api/schema.ts";
import { encodeToken, type JoinToken, MINUTE_MS, TOKEN_ENDPOINTS_MAX } from "../crypto/join_token.ts";
import type { NetworkSecret } from "../crypto/network_secret.ts";
import { readStoredSecret } from "../daemon/state/secret_files.ts";
import { addSettings, parseDuration, placesOf, socketOf } from "./options.ts";
import { print, tell } from "./output.ts";

export function registerToken(program: Command): void {
  const command = program.command("token")
    .description("print a token, all another host needs to join; it contains the secret")
    .option(
      "--expires <DURATION>",
      "refused by ovltun join after this long, e.g. 30m or 24h, rounded up to minutes (never)",
      parseValidity,
    );
  addSettings(command, ["run-dir", "state-dir", "config"]).action(
    async (options: Record<string, unknown>) => {
      const status = await callApi(socketOf(options), "status", {});
      const { stateDir } = placesOf(options);
      const secret = secretOf(status, stateDir);
      const valid = options["expires"] as number | undefined;
      const token = tokenOf(status, secret, valid === undefined ? null : Date.now() + valid);
      print(encodeToken(token));
      tell(adviceOf(token));
    },
  );
}

/** Milliseconds. A token tells minutes: one of seconds would be good for longer than was asked for. */
function parseValidity(text: string): number {
  const valid = parseDuration(text);
  if (valid < MINUTE_MS) throw new InvalidArgumentError("Give a minute or more: expiry is in whole minutes");
  return valid;
}

/**
 * Null in a plain mesh, and on a node that has not joined: it has no secret to give, and tokenOf() says so. Throws a
 * sentence when the secret is not in the state directory.
 */
export function secretOf({ node, network }: Status, stateDir: string): NetworkSecret | null {
  if (node.security !== "sealed" || !hasJoined(network)) return null;
  const secret = readStoredSecret(stateDir);
  if (secret !== null) return secret;
  throw new Error(
    `No secret in the state directory ${
      JSON.stringify(stateDir)
    } (run as root, with the daemon's --state-dir)`,
  );
}

function hasJoined({ cidr, cidr6 }: Status["network"]): boolean {
  return cidr !== null || cidr6 !== null;
}

/** What a token of this node says. Throws a sentence when it cannot be joined at. */
export function tokenOf(status: Status, secret: NetworkSecret | null, expiresAt: number | null): JoinToken {
  const endpoints = status.node.underlay.slice(0, TOKEN_ENDPOINTS_MAX);
  if (endpoints.length === 0) {
    throw new Error(
      "No other host can reach this node right now, so a token would lead nowhere. ovltun status says why " +
        "for each interface; ovltun up --iface or --advertise changes the address",
    );
  }
  if (!hasJoined(status.network)) {
    throw new Error("This node has not joined a mesh yet (see: ovltun status)");
  }
  return { networkName: status.network.name, endpoints, secret, issuer: status.node.id, expiresAt };
}

function adviceOf(token: JoinToken): string {
  const plain = token.secret === null;
  const worth = plain
    ? "The mesh is plain: this token contains no secret."
    : "Anyone with this token can join the mesh and read its traffic: treat it like a password.";
  return `${worth} On the other host, as root, pass it to ovltun join${plain ? " --plain" : ""} on stdin.`;
}
