/**
 * The packet filter over netlink (nfnetlink, nf_tables): ports.Ruleset. An instance belongs to the network namespace its
 * thread was in when it was opened. What is read are the tables of a name, their rules, and the chains that these are in: a
 * host may have a hundred thousand rules.
 */

import type { FoundTable, Ruleset } from "../ports/ruleset.ts";
import { EAFNOSUPPORT, EINVAL, ENOENT, ENOTSUP, EPERM, SysError } from "../ports/sys_error.ts";
import { NLM_F_APPEND, NLM_F_CREATE } from "../wire/netlink.ts";
import * as nft from "../wire/nftables.ts";
import { NETLINK_NETFILTER, NetlinkConnection, NetlinkEvents, type NetlinkRequest } from "./netlink.ts";

/** NFNLGRP_NFTABLES: every change of any table. */
const GROUP_NFTABLES = 7;
const EPROTONOSUPPORT = 93;
/** What a kernel without nftables answers, from the socket on; and one that does not let us look. */
const NONE_TO_SEE = [EPROTONOSUPPORT, EAFNOSUPPORT, EINVAL, ENOTSUP, EPERM];

/** Opens the packet filter of the namespace that the calling thread is in. `listen`: it hears of changes. */
export function openRuleset(listen: boolean): Ruleset {
  return new KernelRuleset(listen);
}

class KernelRuleset implements Ruleset {
  /** What kept it from being opened, where that failed. */
  readonly #connection: NetlinkConnection | SysError;
  /** Null also where the kernel has no such events: then what is there is read from time to time. */
  readonly #events: NetlinkEvents | null;

  constructor(listen: boolean) {
    this.#connection = opened(() => new NetlinkConnection(false, NETLINK_NETFILTER));
    const events = listen ? opened(() => new NetlinkEvents([GROUP_NFTABLES], NETLINK_NETFILTER)) : null;
    this.#events = events instanceof NetlinkEvents ? events : null;
  }

  tables(prefix: string): FoundTable[] {
    const op = "Cannot list the nftables tables";
    try {
      const answers = this.#connected(op).dump({ op, type: nft.NFT_MSG_GETTABLE, payload: nft.encodeDump() });
      return answers.flatMap(({ payload }) => {
        const found = nft.decodeTable(payload);
        return found === null || !found.table.name.startsWith(prefix) ? [] : [this.#read(found)];
      });
    } catch (error) {
      if (error instanceof SysError && NONE_TO_SEE.includes(error.errno)) return [];
      throw error;
    }
  }

  chains(): nft.ChainFacts[] {
    const op = "Cannot list the nftables chains";
    try {
      const answers = this.#connected(op).dump({ op, type: nft.NFT_MSG_GETCHAIN, payload: nft.encodeDump() });
      return answers.map(({ payload }) => nft.decodeChainFacts(payload)).filter((one) => one !== null);
    } catch (error) {
      if (error instanceof SysError && NONE_TO_SEE.includes(error.errno)) return [];
      throw error;
    }
  }

  #read({ table, parts }: NonNullable<ReturnType<typeof nft.decodeTable>>): FoundTable {
    const op = `Cannot list the rules of the nftables table ${table.name}`;
    const payload = nft.encodeDump(table);
    const rules = new Map<string, nft.Rule[]>(); // BOUNDED: by the chains of a table of ours
    for (const answer of this.#connected(op).dump({ op, type: nft.NFT_MSG_GETRULE, payload })) {
      const read = nft.decodeRule(answer.payload);
      if (read === null || read.table.name !== table.name || read.table.family !== table.family) continue;
      const others = rules.get(read.chain);
      if (others === undefined) rules.set(read.chain, [read.rule]);
      else others.push(read.rule);
    }
    const chains = [...rules].flatMap(([name, found]) => {
      const chain = this.#chain(table, name);
      return chain === null ? [] : [{ ...chain, rules: found }];
    });
    return { ...table, chains, strangers: parts - chains.length };
  }

  /** Null: it went meanwhile, or is none that we would write. */
  #chain(table: nft.TableName, name: string): nft.Chain | null {
    const op = `Cannot read the nftables chain ${name} of ${table.name}`;
    try {
      const payload = nft.encodeChainName(table, name);
      const [answer] = this.#connected(op).request({ op, type: nft.NFT_MSG_GETCHAIN, payload });
      return answer === undefined ? null : nft.decodeChain(answer.payload);
    } catch (error) {
      if (error instanceof SysError && error.errno === ENOENT) return null;
      throw error;
    }
  }

  change(remove: readonly nft.TableName[], make: readonly nft.Table[]): void {
    const gone = [...remove, ...make].flatMap((table) => {
      const request = {
        op: `Cannot remove the nftables table ${table.name}`,
        payload: nft.encodeTable(table),
      };
      // Made first, so that it need not be there.
      return [
        { ...request, type: nft.NFT_MSG_NEWTABLE, flags: NLM_F_CREATE },
        { ...request, type: nft.NFT_MSG_DELTABLE },
      ];
    });
    const made = make.flatMap((table) => {
      const op = `Cannot write the nftables table ${table.name}`;
      const flags = NLM_F_CREATE | NLM_F_APPEND;
      return nft.tableMessages(table).map((one) => ({ ...one, op: `${op} (${one.what})`, flags }));
    });
    const [first] = [...made, ...gone];
    if (first === undefined) return;
    this.#connected(first.op).batch([...gone, ...made], ends(first.op));
  }

  changed(prefix: string): boolean {
    if (this.#events === null) return false;
    const { messages, lost } = this.#events.read();
    return lost ||
      messages.some(({ payload }) => nft.decodeTableName(payload)?.name.startsWith(prefix) ?? false);
  }

  close(): void {
    if (this.#connection instanceof NetlinkConnection) this.#connection.close();
    this.#events?.close();
  }

  #connected(op: string): NetlinkConnection {
    if (this.#connection instanceof NetlinkConnection) return this.#connection;
    throw new SysError(op, this.#connection.errno, "this kernel has no nftables", "modprobe nf_tables");
  }
}

function opened<T>(open: () => T): T | SysError {
  try {
    return open();
  } catch (error) {
    if (error instanceof SysError) return error;
    throw error;
  }
}

function ends(op: string): [NetlinkRequest, NetlinkRequest] {
  const payload = nft.encodeBatchEnd();
  return [{ op, type: nft.NFNL_MSG_BATCH_BEGIN, payload }, { op, type: nft.NFNL_MSG_BATCH_END, payload }];
}
