// Who holds what by the records and directives as they are now: worked out anew when one of them has changed.

import type { Directives } from "../forget/directives.ts";
import type { Store } from "../records/store.ts";
import { type Contender, contenders, type Holdings, holdings } from "./claims.ts";

export class Holders {
  readonly #store: Store;
  readonly #directives: Directives;
  #holdings: Holdings | null = null;
  #of = "";

  constructor(store: Store, directives: Directives) {
    this.#store = store;
    this.#directives = directives;
  }

  /** What is held, and what has lost. */
  now(): Holdings {
    const version = `${this.#store.version} ${this.#directives.version}`;
    if (this.#holdings === null || this.#of !== version) {
      this.#holdings = holdings(contenders(this.#store.records(), this.#directives));
      this.#of = version;
    }
    return this.#holdings;
  }

  /** Everything claimed or reserved, the claims of this node left out. */
  besides(id: string): Contender[] {
    return contenders(this.#store.records(), this.#directives).filter((c) => c.reserved || c.nodeId !== id);
  }
}
