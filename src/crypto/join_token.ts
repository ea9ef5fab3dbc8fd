/**
 * A token: everything a host needs to join, as one text that begins with "ovt1" (text_code.ts; the 1 is the version).
 * It holds the network secret, so it is as good as the secret itself, and is treated as one. The time after which it is
 * refused guards against old copies of it that turn up, not against a reader of the secret in it.
 *
 *   | flags 1 | expires 4 | issuer 32 | secret 32, when sealed | network id 16, when rotated | length 1, name |
 *   | count 1, endpoints |
 *
 * flags: 1 = sealed, 2 = the secret was rotated, so the network id does not come of it. expires: Unix minutes, 0 =
 * never. An endpoint is its family (4 or 6), the address and the port, or 1, its length 1, a host's name and the port.
 * What follows the endpoints is of later versions and ignored.
 */

import { addressOf, formatEndpoint, isIpv4, parseEndpoint, portOf } from "../wire/address.ts";
import { fromHex, putU16, putU32, toHex, u16, u32 } from "../wire/bytes.ts";
import { HOST_NAME_MAX, namedEndpoint } from "../wire/named_endpoint.ts";
import { ID_LEN } from "./identity.ts";
import { NETWORK_ID_LEN, NetworkSecret, SECRET_LEN, SECRET_PREFIX } from "./network_secret.ts";
import { decodeText, encodeText, hasPrefix } from "./text_code.ts";

export const TOKEN_PREFIX = "ovt1";
export const TOKEN_ENDPOINTS_MAX = 8;
/** Longer texts are no tokens: 2 × what the longest takes. */
export const TOKEN_MAX_LENGTH = 8192;
const NAME_MAX = 64;
const SEALED = 1;
const ROTATED = 2;
/** What its expiry counts in. */
export const MINUTE_MS = 60_000;
const IPV4_AT = 12;
const NAMED = 1;
const ENDPOINT_MAX_LEN = 1 + 1 + HOST_NAME_MAX + 2;

export interface JoinToken {
  readonly networkName: string;
  /** "192.168.1.10:8473", or with a host's name, "home.example:8473"; at least one. */
  readonly endpoints: readonly string[];
  /** Null: of a plain mesh. */
  readonly secret: NetworkSecret | null;
  /** Id of the node that issued it, hexadecimal. */
  readonly issuer: string;
  /** Unix time in ms after which it is refused; null: never. */
  readonly expiresAt: number | null;
}

/** A token whose time is over. What it says else is known, all but its secret. */
export class ExpiredTokenError extends Error {
  readonly token: Omit<JoinToken, "secret"> & { readonly sealed: boolean };

  constructor(message: string, { secret, ...token }: JoinToken) {
    super(message);
    this.name = "ExpiredTokenError";
    this.token = { ...token, sealed: secret !== null };
    secret?.wipe();
  }
}

/** The text of a token. RangeError when a name is too long, an endpoint is none or there are none or too many. */
export function encodeToken(token: JoinToken): string {
  const name = new TextEncoder().encode(token.networkName);
  const count = token.endpoints.length;
  if (name.length > NAME_MAX || count === 0 || count > TOKEN_ENDPOINTS_MAX) {
    throw new RangeError(
      `A token has a name of at most ${NAME_MAX} bytes and 1 to ${TOKEN_ENDPOINTS_MAX} endpoints`,
    );
  }
  const b = new Uint8Array(
    5 + ID_LEN + SECRET_LEN + NETWORK_ID_LEN + 2 + name.length + ENDPOINT_MAX_LEN * count,
  );
  const foundingId = token.secret?.foundingId ?? null;
  b[0] = (token.secret === null ? 0 : SEALED) | (foundingId === null ? 0 : ROTATED);
  putU32(b, 1, token.expiresAt === null ? 0 : Math.ceil(token.expiresAt / MINUTE_MS));
  b.set(fromHex(token.issuer)!, 5);
  let at = 5 + ID_LEN;
  if (token.secret !== null) {
    const root = token.secret.bytes();
    b.set(root, at);
    root.fill(0);
    at += SECRET_LEN;
    if (foundingId !== null) {
      b.set(foundingId, at);
      at += NETWORK_ID_LEN;
    }
  }
  b[at++] = name.length;
  b.set(name, at);
  at += name.length;
  b[at++] = count;
  for (const endpoint of token.endpoints) at = putEndpoint(b, at, endpoint);
  const text = encodeText(TOKEN_PREFIX, b.subarray(0, at));
  b.fill(0);
  return text;
}

/**
 * The token in a text, however it was broken into lines. `wall` is the present Unix time, ms. Throws Error with a
 * sentence that says what is wrong and never what was given; ExpiredTokenError when it is whole and only too old.
 */
export function parseToken(text: string, wall: number): JoinToken {
  if (text.trim() === "") {
    throw new Error("No token given (ovltun token on a member prints one)");
  }
  if (hasPrefix(SECRET_PREFIX, text)) {
    throw new Error("This is a secret, not a token: use ovltun up with --secret-file and --peers");
  }
  if (!hasPrefix(TOKEN_PREFIX, text)) {
    if (/^\s*ovt[2-9]/i.test(text)) {
      throw new Error("The token is from a newer version of ovltun: update ovltun on this host");
    }
    throw new Error(
      `This is not a token: a token begins with ${TOKEN_PREFIX} (ovltun token on a member ` +
        "prints one)",
    );
  }
  const bytes = text.length > TOKEN_MAX_LENGTH ? "damaged" : decodeText(TOKEN_PREFIX, text);
  const token = typeof bytes === "string" ? null : decode(bytes);
  if (typeof bytes !== "string") bytes.fill(0);
  if (token === null) {
    throw new Error(
      "The token is incomplete or was altered (its checksum is wrong); copy it again",
    );
  }
  if (token.expiresAt !== null && wall > token.expiresAt) {
    const since = new Date(token.expiresAt).toISOString().slice(0, 16).replace("T", " ");
    throw new ExpiredTokenError(
      `The token expired at ${since} UTC by this host's clock; get a new one (ovltun token)`,
      token,
    );
  }
  return token;
}

function decode(b: Uint8Array): JoinToken | null {
  const sealed = (b[0]! & SEALED) !== 0;
  const rotated = sealed && (b[0]! & ROTATED) !== 0;
  const secretAt = 5 + ID_LEN;
  const secretEnd = secretAt + (sealed ? SECRET_LEN : 0);
  let at = secretEnd + (rotated ? NETWORK_ID_LEN : 0);
  if (b.length < at + 2) return null;
  const nameEnd = at + 1 + b[at]!;
  if (nameEnd >= b.length) return null;
  const networkName = new TextDecoder().decode(b.subarray(at + 1, nameEnd));
  if (!/^[\x21-\x7e]{1,64}$/.test(networkName)) return null;
  const count = b[nameEnd]!;
  if (count === 0 || count > TOKEN_ENDPOINTS_MAX) return null;
  const endpoints: string[] = [];
  at = nameEnd + 1;
  for (let i = 0; i < count; i++) {
    const size = endpointSize(b, at);
    if (size === 0 || at + size > b.length) return null;
    const endpoint = b[at] === NAMED ? namedAt(b, at, size) : endpointAt(b, at, size);
    if (endpoint === null) return null;
    endpoints.push(endpoint);
    at += size;
  }
  const minutes = u32(b, 1);
  const foundingId = rotated ? b.subarray(secretEnd, secretEnd + NETWORK_ID_LEN) : null;
  return {
    networkName,
    endpoints,
    secret: sealed ? NetworkSecret.of(b.subarray(secretAt, secretEnd), foundingId) : null,
    issuer: toHex(b.subarray(5, secretAt)),
    expiresAt: minutes === 0 ? null : minutes * MINUTE_MS,
  };
}

function putEndpoint(b: Uint8Array, at: number, text: string): number {
  const endpoint = parseEndpoint(text);
  if (endpoint === null) return putNamed(b, at, text);
  const v4 = isIpv4(endpoint.address);
  b[at] = v4 ? 4 : 6;
  const bytes = v4 ? endpoint.address.subarray(IPV4_AT) : endpoint.address;
  b.set(bytes, at + 1);
  putU16(b, at + 1 + bytes.length, endpoint.port);
  return at + 3 + bytes.length;
}

function putNamed(b: Uint8Array, at: number, text: string): number {
  const named = namedEndpoint(text);
  if (named === null) throw new RangeError(`"${text}" is not an endpoint`);
  const host = new TextEncoder().encode(addressOf(named));
  b[at] = NAMED;
  b[at + 1] = host.length;
  b.set(host, at + 2);
  putU16(b, at + 2 + host.length, Number(portOf(named)));
  return at + 4 + host.length;
}

/** Bytes of an endpoint with its family, 0 when there is no such family. */
function endpointSize(b: Uint8Array, at: number): number {
  if (b[at] === NAMED) return 4 + (b[at + 1] ?? 0);
  return b[at] === 4 ? 7 : b[at] === 6 ? 19 : 0;
}

// Foreign text: it is a host name, or the token is invalid.
function namedAt(b: Uint8Array, at: number, size: number): string | null {
  const host = new TextDecoder().decode(b.subarray(at + 2, at + size - 2));
  return host.includes(":") ? null : namedEndpoint(`${host}:${u16(b, at + size - 2)}`);
}

function endpointAt(b: Uint8Array, at: number, size: number): string | null {
  const bytes = b.subarray(at + 1, at + size - 2);
  const address = new Uint8Array(16);
  if (bytes.length === 4) address.set([0xff, 0xff], 10);
  address.set(bytes, 16 - bytes.length);
  const port = u16(b, at + size - 2);
  return port === 0 ? null : formatEndpoint({ address, port });
}
