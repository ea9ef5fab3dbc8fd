// What the control plane asks about its host while it decides: a question answered at once, from what the daemon holds.

/** The host as the control plane sees it. Endpoints and addresses are canonical text. */
export interface HostSight {
  /** Whether datagrams to this endpoint come back to this very process: an address of this host, with our port. */
  owns(endpoint: string): boolean;
  /** Whether the way to this address leaves by our own device, whatever the mesh's network is. */
  tunnelled(address: string): boolean;
}

/** Nothing is known of the host. */
export const NO_SIGHT: HostSight = { owns: () => false, tunnelled: () => false };
