/**
 * The backends of a mesh by their names, as flags, files and the mesh's configuration have them. What carries the packets
 * of each is an encapsulation (control/paths/tunnels.ts).
 */
export const BACKENDS = ["udp", "vxlan", "host-gw"] as const;

/** How packets between two hosts of a mesh are carried; one for the whole mesh. */
export type Backend = (typeof BACKENDS)[number];
