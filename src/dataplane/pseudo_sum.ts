/** The pseudo-header sum of either IP version, by the version that the packet names. */
import { pseudoHeaderSum4, pseudoHeaderSum6 } from "../wire/checksum.ts";

/** Unfolded; `length` is that of the transport header with its payload. */
export function pseudoSum(b: Uint8Array, at: number, protocol: number, length: number): number {
  return b[at]! >>> 4 === 4
    ? pseudoHeaderSum4(b, at, protocol, length)
    : pseudoHeaderSum6(b, at, protocol, length);
}
