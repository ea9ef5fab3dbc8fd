// The links that count for the mesh: validated, of a node that names our own mesh and that nobody had revoked.

import type { Directives } from "../forget/directives.ts";
import type { Life } from "../mesh/life.ts";
import type { Link } from "../links/link_table.ts";
import type { Links } from "../links/links.ts";

export class AgreedLinks {
  readonly #links: Links;
  readonly #life: Life;
  readonly #directives: Directives;

  constructor(links: Links, life: Life, directives: Directives) {
    this.#links = links;
    this.#life = life;
    this.#directives = directives;
  }

  has(link: Link): boolean {
    const { meshHash } = this.#life;
    return link.endpoint !== null && meshHash !== null && link.mesh === meshHash &&
      !this.#directives.isRevoked(link.id);
  }

  /** The one to this node, or null. */
  get(id: string): Link | null {
    const link = this.#links.get(id);
    return link !== undefined && this.has(link) ? link : null;
  }

  all(): Link[] {
    return [...this.#links.up()].filter((link) => this.has(link));
  }
}
