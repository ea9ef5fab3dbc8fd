/** UDP ports of this host: what the Workers receive from, and the control plane sends from beside them. */
import type { UdpMaker, UdpPort, UdpUse } from "../ports/machine.ts";
import { pathMtu } from "../sys/path_mtu.ts";
import { portHolder } from "../sys/port_holder.ts";
import { closeUdpGroup, droppedByGroup, openUdpGroup, takeZeroChecksums } from "../sys/udp_group.ts";
import { sendDatagram, sendProbe } from "../sys/udp_socket.ts";
import { testTrains } from "./self_tests.ts";

export const udp: UdpMaker = { open, holderOf: portHolder, pathMtu, test: testTrains };

function open(port: number, { workers, byLane, zeroChecksums }: UdpUse): UdpPort {
  const group = openUdpGroup(port, "--port", workers, byLane);
  if (zeroChecksums) takeZeroChecksums(group);
  const { family, sockets } = group;
  // Worker 0's, whose port is the one that peers know.
  const socket = { fd: sockets[0]!.fd, family };
  return {
    family,
    sockets,
    send: (to, bytes, local) => sendDatagram(socket, bytes, to, local),
    sendProbe: (to, bytes, options) => sendProbe(socket, bytes, to, options),
    dropped: () => droppedByGroup(group),
    close: () => closeUdpGroup(group),
  };
}
