/** The messages of rtnetlink's multicast groups (rtnetlink(7)) as what happened to the host. */

import type { HostEvent } from "../ports/host.ts";
import { formatAddress } from "../wire/address.ts";
import { type NetlinkMessage, NLM_F_APPEND, NLM_F_REPLACE } from "../wire/netlink.ts";
import * as rt from "../wire/rtnetlink.ts";
import * as rtr from "../wire/rtnetlink_route.ts";
import { RTM_DELRULE, RTM_NEWRULE } from "../wire/rtnetlink_rule.ts";
import { toRoute } from "./rtnetlink_text.ts";

const RTM_NEWNETCONF = 80;
const RTM_NEWNEXTHOP = 104;
const RTM_DELNEXTHOP = 105;

/** Null: it is nothing that we look at. What cannot be read may have been anything. */
export function hostEvent(m: NetlinkMessage): HostEvent | null {
  switch (m.type) {
    case rtr.RTM_NEWROUTE:
    case rtr.RTM_DELROUTE:
      return routeEvent(m);
    case rt.RTM_NEWLINK:
    case rt.RTM_DELLINK:
      return linkEvent(m);
    case rt.RTM_NEWADDR:
    case rt.RTM_DELADDR:
      return addressEvent(m);
    case RTM_NEWRULE:
    case RTM_DELRULE:
      return { kind: "rule" };
    case RTM_NEWNETCONF:
      return { kind: "settings" };
    case RTM_NEWNEXTHOP:
    case RTM_DELNEXTHOP:
      return { kind: "nexthop" };
    default:
      return null;
  }
}

/** As `routes` lists them: no cached path MTUs, nothing of ::ffff:0:0/96. */
function routeEvent({ type, flags, payload }: NetlinkMessage): HostEvent | null {
  const m = rtr.decodeRoute(payload);
  if (m === null) return { kind: "lost" };
  const { family, destination } = m;
  if ((m.flags & rtr.RTM_F_CLONED) !== 0 || rt.familyOf(destination.address) !== family) return null;
  const route = toRoute(m);
  if (type === rtr.RTM_DELROUTE) return { kind: "route", how: "removed", route };
  const how = (flags & NLM_F_REPLACE) !== 0
    ? "replaced"
    : (flags & NLM_F_APPEND) !== 0
    ? "appended"
    : "added";
  return { kind: "route", how, route };
}

/** A bridge tells of its ports in its own family, where RTM_DELLINK only means that an interface is no port any more. */
function linkEvent({ type, payload }: NetlinkMessage): HostEvent {
  const header = rt.decodeLinkHeader(payload);
  if (header === null) return { kind: "lost" };
  const { family, index, flags } = header;
  const down = family !== rt.AF_BRIDGE && (type === rt.RTM_DELLINK || (flags & rt.IFF_UP) === 0);
  return { kind: "interface", iface: index, down };
}

function addressEvent({ type, payload }: NetlinkMessage): HostEvent {
  const m = rt.decodeAddress(payload);
  if (m === null) return { kind: "lost" };
  return {
    kind: "address",
    iface: m.iface,
    address: formatAddress(m.address),
    gone: type === rt.RTM_DELADDR,
  };
}
