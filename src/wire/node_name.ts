/**
 * Names of nodes beside addresses: every command that takes a node takes an address too, and the tools of a host read
 * more texts as addresses than we do (inet_aton(3): "10.1", "0x0a000005", "167772165"). So no node is called like one.
 */

/** What a node name may have, in characters. */
export const NODE_NAME_MAX = 63;

const NUMBER = /^(?:0x[0-9a-f]*|[0-9]+)$/i;
/** Below this a lone number is a name such as "1" or "2024"; from here on inet_aton reads more than its last octets. */
const LONE_DIGITS_MIN = 8;
const NOT_IN_A_WORD = /[^A-Za-z0-9_-]+/g;

/**
 * Whether a text would be taken for an address, a prefix or an endpoint: it has a colon or a slash, or its labels are
 * numbers alone ("10.0.0.5", "10.0.0.256", "0x7f.1", "20240101"; not "1").
 */
export function looksLikeAddress(name: string): boolean {
  if (/[:/]/.test(name)) return true;
  const labels = name.replace(/\.$/, "").split(".");
  if (!labels.every((label) => NUMBER.test(label))) return false;
  return labels.length > 1 || /^0x/i.test(name) || name.length >= LONE_DIGITS_MIN;
}

/** A name that is like no address: "node-10-0-0-5" for "10.0.0.5", any other as it is. */
export function nameForNode(name: string): string {
  if (!looksLikeAddress(name)) return name;
  const word = name.replace(NOT_IN_A_WORD, "-").replace(/^-+|-+$/g, "");
  return `node-${word}`.slice(0, NODE_NAME_MAX).replace(/-+$/, "");
}
