/**
 * Which secret this run goes by: the one that was given, the one of the state directory, or for a founder a new one;
 * or none, in a plain mesh. Decided before the first message is sent. Pure but for the randomness of a new secret.
 */
import { ConfigError } from "../../config/config.ts";
import { type HeldSecret, placeOfGiven } from "../../control/secrets/key_ring.ts";
import { NetworkSecret, wipeKeys } from "../../crypto/network_secret.ts";
import type { GivenSecret } from "./secret_files.ts";

/** Where a secret came from that a token carried, in a user's words. */
export const TOKEN = "the token";

export interface SecretFacts {
  /** `--plain` */
  readonly plain: boolean;
  readonly given: GivenSecret | null;
  /** What the state directory keeps. */
  readonly stored: NetworkSecret | null;
  /** Security of the mesh that the state directory belongs to; null when it belongs to none yet. */
  readonly storedMesh: "plain" | "sealed" | null;
  /** No peers were given, or `--found`. */
  readonly founds: boolean;
  readonly stateDir: string;
  readonly networkName: string;
}

export type SecretChoice =
  | { readonly security: "plain" }
  | {
    readonly security: "sealed";
    readonly secret: NetworkSecret;
    /** The state directory does not have it yet. */
    readonly keep: boolean;
    /** A later secret of the same mesh than the stored one, or an older one: both are tried. */
    readonly also?: NetworkSecret;
    /** Where the secret came from that was given and is not used, for it was rotated since. */
    readonly outdated?: string;
    /** This run founds: others need a token to join. */
    readonly founded: boolean;
  };

/** Throws ConfigError when there is no secret to go by, or two. */
export function chooseSecret(facts: SecretFacts): SecretChoice {
  const { stateDir, stored, given, storedMesh } = facts;
  const purge = `ovltun down --purge --state-dir ${stateDir}`;
  if (facts.plain) {
    if (storedMesh === "sealed") {
      throw new ConfigError(
        "plain",
        `--plain contradicts the mesh in the state directory ${
          JSON.stringify(stateDir)
        }, which is sealed; leave --plain out, or leave that mesh first: ${purge}`,
      );
    }
    return { security: "plain" };
  }
  if (storedMesh === "plain") {
    throw new ConfigError(
      "plain",
      `The mesh in the state directory ${JSON.stringify(stateDir)} is plain, but --plain was not given; ` +
        `add --plain, or leave that mesh first: ${purge}`,
    );
  }
  if (storedMesh === "sealed") return memberSecret(facts, purge);
  const secret = given?.secret ?? stored ?? (facts.founds ? NetworkSecret.create() : null);
  if (secret === null) {
    throw new ConfigError(
      "secret-file",
      "Joining a sealed mesh needs its secret: run ovltun token on a member and ovltun join here, or set " +
        "--secret-file or OVLTUN_SECRET; if that mesh is plain, add --plain",
    );
  }
  return {
    security: "sealed",
    secret,
    keep: stored === null || !stored.equals(secret),
    founded: facts.founds,
  };
}

function memberSecret(facts: SecretFacts, purge: string): SecretChoice {
  const { stored, given, stateDir } = facts;
  if (stored !== null && given !== null && !stored.equals(given.secret)) {
    const member = { security: "sealed", secret: stored, keep: false, founded: false } as const;
    const ofToken = given.secret.foundingId;
    if (ofToken !== null && isNetworkOf(stored, facts.networkName, ofToken)) {
      return { ...member, also: given.secret };
    }
    const { foundingId } = stored;
    const isToken = given.from === TOKEN;
    // It is of the time before the rotation; what is stored came from the mesh itself. A file may hold a secret that was
    // rotated to and away since, which nothing tells from a foreign one; a token names its network.
    const older = foundingId !== null && ofToken === null &&
      (!isToken || isNetworkOf(given.secret, facts.networkName, foundingId));
    if (older) return { ...member, outdated: given.from };
    if (isToken) throw foreignToken(stateDir, purge);
    throw new ConfigError(
      "secret-file",
      `The secret of ${given.from} is not that of the mesh in the state directory ${
        JSON.stringify(stateDir)
      }; leave it out (if the secret was rotated, get a token), or leave that mesh first: ${purge}`,
    );
  }
  const secret = stored ?? given?.secret;
  if (secret === undefined) {
    throw new ConfigError(
      "secret-file",
      `The state directory ${
        JSON.stringify(stateDir)
      } has lost its secret; supply it once with --secret-file or OVLTUN_SECRET, or with a token (ovltun token on a member, ovltun join here)`,
    );
  }
  return { security: "sealed", secret, keep: stored === null, founded: false };
}

function foreignToken(stateDir: string, purge: string): ConfigError {
  return new ConfigError(
    "join-file",
    `The token belongs to a different mesh than the one this host is in (state directory ${
      JSON.stringify(stateDir)
    }). ` +
      `To switch: ${purge}, then ovltun join again. To be in both: join with another --state-dir, ` +
      "--run-dir, --device and --port. To stay: ovltun up, without a token",
  );
}

function isNetworkOf(secret: NetworkSecret, networkName: string, networkId: Uint8Array): boolean {
  const keys = secret.keys(networkName);
  wipeKeys(keys);
  return keys.networkId.every((byte, i) => byte === networkId[i]);
}

/**
 * The secrets that a run of a sealed mesh begins with: what the state directory keeps, and what was given besides.
 * `given` and those of `kept` that it does not begin with are wiped.
 */
export function secretsOfRun(
  choice: SecretChoice & { readonly security: "sealed" },
  kept: readonly HeldSecret[],
  given: NetworkSecret | null,
): readonly HeldSecret[] {
  const held = heldSecrets(choice, kept);
  // One that is still to be written is needed until then.
  const needed = new Set([...held.map(({ secret }) => secret), ...(choice.keep ? [choice.secret] : [])]);
  for (const secret of [given, ...kept.map((one) => one.secret)]) {
    if (secret !== null && !needed.has(secret)) secret.wipe();
  }
  return held;
}

// What is kept of secrets, and what was given besides.
function heldSecrets(
  choice: SecretChoice & { readonly security: "sealed" },
  kept: readonly HeldSecret[],
): readonly HeldSecret[] {
  const { secret, also } = choice;
  const ofGiven = (given: NetworkSecret, used: boolean) => ({
    secret: given,
    generation: placeOfGiven(given),
    used,
  });
  if (!kept.some((held) => held.secret.equals(secret))) return [ofGiven(secret, true)];
  if (also === undefined || kept.some((held) => held.secret.equals(also))) return kept;
  const known = kept[0]!.generation.seq > 0;
  const given = ofGiven(also, false);
  // Of two that were both rotated, the one that the mesh told counts as the later until the mesh says otherwise.
  return [...kept, known ? { ...given, generation: { ...given.generation, seq: 0 } } : given];
}
