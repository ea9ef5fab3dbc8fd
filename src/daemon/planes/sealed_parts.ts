/** What a sealed mesh adds to the parts of a node: its keys, and the ciphers that this host is good at. */
import { type Cipher, ConfigError } from "../../config/config.ts";
import type { SealedSetup } from "../../control/links/sealed_links.ts";
import type { HeldSecret } from "../../control/secrets/key_ring.ts";
import type { AeadProvider } from "../../ports/aead.ts";
import type { Ciphers } from "../../ports/machine.ts";

/** The keys of the mesh's secret, and the ciphers this host is good at. */
export interface SealedParts {
  readonly setup: SealedSetup;
  readonly provider: AeadProvider;
  /** Why there is no libcrypto, in a sentence; null: there is. */
  readonly without: string | null;
}

/** Which sealed mesh it is. */
export interface SealedMesh {
  /** Those that count, one of them used. */
  readonly secrets: readonly HeldSecret[];
  readonly networkName: string;
  /** The only suite to offer, or "auto". */
  readonly cipher: Cipher;
  /** Id of the member that a token was issued by, or null. */
  readonly pinnedNode: string | null;
}

/** Throws ConfigError when the host does not have the suite. */
export function sealedParts(
  { suites, provider, without }: Ciphers,
  { secrets, networkName, cipher, pinnedNode }: SealedMesh,
): SealedParts {
  const offers = suites
    .filter(({ suite }) => cipher === "auto" || suite === cipher)
    .map(({ suite, mbps }) => ({ suite, mbps: Math.round(mbps) }));
  if (offers.length === 0) {
    const have = suites.map(({ suite }) => suite).join(", ");
    const why = without === null ? "" : ` (${without})`;
    throw new ConfigError(
      "cipher",
      `This host cannot do ${cipher}${why}; it has ${have}. Choose one of those, or --cipher auto`,
    );
  }
  const usedFirst = [...secrets].sort((a, b) => Number(b.used) - Number(a.used));
  const keys = usedFirst.map(({ secret }) => secret.keys(networkName));
  return { setup: { keys, secrets, suites: offers, pinnedNode }, provider, without };
}
