/** Addresses of interfaces as prefixes. What the kernel lists is well-formed. */

import type { InterfaceAddress } from "../ports/host.ts";
import { isIpv4, parseAddress } from "../wire/address.ts";
import { hostPrefix, IPV4_BITS_AT, Prefix } from "../wire/prefix.ts";

/** "10.42.7.1/24": the address with the length of its network, the bits of the host included. */
export function heldPrefix({ address, prefixLength }: InterfaceAddress): Prefix {
  const bytes = parseAddress(address)!;
  return new Prefix(bytes, prefixLength + (isIpv4(bytes) ? IPV4_BITS_AT : 0));
}

/** "10.42.7.1/32". */
export function addressAlone({ address }: InterfaceAddress): Prefix {
  return hostPrefix(parseAddress(address)!);
}
