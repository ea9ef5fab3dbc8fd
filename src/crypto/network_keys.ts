/** The keys that all nodes of a sealed network share, derived from the network secret. */

/** One generation of a network's keys. */
export interface NetworkKeys {
  /** 16 bytes. */
  readonly networkId: Uint8Array;
  /** Of the Noise handshakes, 32 bytes. */
  readonly psk: Uint8Array;
  /** Of the keyed MAC on handshake datagrams, 32 bytes. */
  readonly macKey: Uint8Array;
  /** Of gossip under the network key, 32 bytes. */
  readonly gossipKey: Uint8Array;
  /** Tells generations apart on the wire: u16. */
  readonly keyId: number;
}
