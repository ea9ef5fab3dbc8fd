/**
 * Endpoints whose host is a name, "home.example:8473", as tokens and records carry them beside literal ones. A name from
 * the network is a text of others: what is no host name (RFC 952, RFC 1123 §2.1, with the underscores that people use)
 * is none, and neither is one that can only mean the host that reads it.
 */

import { formatEndpoint, parseEndpoint } from "./address.ts";

export const HOST_NAME_MAX = 253;
/** "host:65535" */
const NAMED_ENDPOINT_MAX = HOST_NAME_MAX + 6;

const LABEL = "[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?";
const HOST_NAME = new RegExp(`^(?=.{1,${HOST_NAME_MAX}}$)${LABEL}(?:\\.${LABEL})*$`, "i");

/** Whether a text is the name of a host. A last label of digits only is a mistyped IPv4 address (RFC 3696 §2). */
export function isHostName(text: string): boolean {
  const name = text.endsWith(".") ? text.slice(0, -1) : text;
  return HOST_NAME.test(name) && !/(^|\.)[0-9]+$/.test(name);
}

/**
 * The canonical text of an endpoint with a name, in lower case and without the root's dot: "home.example:8473". Null
 * for a literal address, for what has no port and there is no default, for "localhost", and for nonsense.
 */
export function namedEndpoint(text: string, defaultPort?: number): string | null {
  if (text.length > NAMED_ENDPOINT_MAX + 1) return null;
  const match = /^([^:]+)(?::([0-9]{1,5}))?$/.exec(text);
  if (match === null || !isHostName(match[1]!)) return null;
  const host = match[1]!.toLowerCase().replace(/\.$/, "");
  const port = match[2] === undefined ? defaultPort : Number(match[2]);
  if (port === undefined || port < 1 || port > 65535 || /(^|\.)localhost$/.test(host)) return null;
  return `${host}:${port}`;
}

/** Whether the host of a canonical endpoint is a name. */
export function isNamed(endpoint: string): boolean {
  return !endpoint.startsWith("[") && !/^[0-9.]+:/.test(endpoint);
}

/** The canonical text of an endpoint, literal or with a name; null when it is neither. */
export function anyEndpoint(text: string): string | null {
  const literal = text.length < 64 ? parseEndpoint(text) : null;
  return literal === null ? namedEndpoint(text) : formatEndpoint(literal);
}
