/** What a daemon of a sealed mesh starts with: the keys of its secret, and the ciphers this host is good at. */
import type { Cipher } from "../../config/config.ts";
import { ConfigError } from "../../config/config_error.ts";
import type { HeldSecret } from "../../control/secrets/key_ring.ts";
import type { SealedSetup } from "../../control/links/sealed_links.ts";
import { aeadProvider, measureSuites } from "../../crypto/aead.ts";
import type { AeadProvider } from "../../ports/aead.ts";
import { systemClock } from "../../sys/system.ts";
import { aeadMakers } from "./aead_makers.ts";

export interface SealedParts {
  readonly setup: SealedSetup;
  readonly provider: AeadProvider;
  /** Why there is no libcrypto, in a sentence; null: there is. */
  readonly without: string | null;
}

/**
 * `secrets`: those that count, one of them used. Measures what this host seals with, some milliseconds each. `cipher` names the only suite to offer, or "auto";
 * `pinnedNode` is the id of the member that a token was issued by, or null. Throws ConfigError when the host does not
 * have the suite.
 */
export function sealedParts(
  secrets: readonly HeldSecret[],
  networkName: string,
  cipher: Cipher,
  pinnedNode: string | null,
): SealedParts {
  const { makers, without } = aeadMakers();
  const suites = measureSuites(makers, systemClock);
  const offers = suites
    .filter(({ suite }) => cipher === "auto" || suite === cipher)
    .map(({ suite, mbps }) => ({ suite, mbps: Math.round(mbps) }));
  if (offers.length === 0) {
    const have = suites.map(({ suite }) => suite).join(", ");
    throw new ConfigError(
      "cipher",
      `This host cannot do ${cipher}${
        without === null ? "" : ` (${without})`
      }; it has ${have}, or give --cipher auto`,
    );
  }
  const usedFirst = [...secrets].sort((a, b) => Number(b.used) - Number(a.used));
  const keys = usedFirst.map(({ secret }) => secret.keys(networkName));
  return {
    setup: { keys, secrets, suites: offers, pinnedNode },
    provider: aeadProvider(makers, suites),
    without,
  };
}
