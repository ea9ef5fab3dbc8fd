/** Whether something has come true of every node, looked at again and again: who was there once is not asked again. */

import type { SimNode } from "../../test/sim/sim_node.ts";

export class Sweep {
  readonly #nodes: readonly SimNode[];
  readonly #isSo: (node: SimNode) => boolean;
  #done = 0;

  constructor(nodes: readonly SimNode[], isSo: (node: SimNode) => boolean) {
    this.#nodes = nodes;
    this.#isSo = isSo;
  }

  isDone(): boolean {
    while (this.#done < this.#nodes.length && this.#isSo(this.#nodes[this.#done]!)) this.#done++;
    return this.#done === this.#nodes.length;
  }
}
