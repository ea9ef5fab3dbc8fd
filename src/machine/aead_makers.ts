/** What this host can seal with: libcrypto if it has one, and what comes with the program. */
import process from "node:process";
import { naclAead } from "../crypto/nacl_aead.ts";
import { nodeAead } from "../crypto/node_aead.ts";
import type { AeadMaker } from "../ports/aead.ts";
import { openLibcrypto } from "../sys/libcrypto.ts";

export interface AeadMakers {
  readonly makers: readonly AeadMaker[];
  /** Why there is no libcrypto, in a sentence; null: there is. */
  readonly without: string | null;
}

/** Loads libcrypto for this thread. OVLTUN_NO_LIBCRYPTO=1 does without it, for tests and measurements. */
export function aeadMakers(): AeadMakers {
  const portable = [nodeAead(), naclAead()];
  if (process.env.OVLTUN_NO_LIBCRYPTO === "1") {
    return { makers: portable, without: "OVLTUN_NO_LIBCRYPTO is set" };
  }
  try {
    return { makers: [openLibcrypto(), ...portable], without: null };
  } catch (error) {
    return { makers: portable, without: error instanceof Error ? error.message : String(error) };
  }
}
