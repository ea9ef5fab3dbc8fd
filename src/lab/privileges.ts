/** Whether this process may do what the lab does: namespaces, links and routes (capabilities(7)). */

const CAP_NET_ADMIN = 12n;
const CAP_SYS_ADMIN = 21n;

/** What is missing, and what to do, or null. `processStatus` is the text of /proc/self/status (proc(5)). */
export function whatTheLabLacks(userId: number, processStatus: string): string | null {
  const effective = /^CapEff:\s*([0-9a-f]{1,16})$/m.exec(processStatus)?.[1];
  if (effective === undefined) return null; // let the kernel judge
  const held = BigInt(`0x${effective}`);
  if ([CAP_NET_ADMIN, CAP_SYS_ADMIN].every((capability) => (held >> capability & 1n) === 1n)) return null;
  if (userId !== 0) {
    return "The lab needs root for network namespaces and TUN devices: run sudo ovltun lab, or " +
      "scripts/ovltun lab in a checkout";
  }
  return "The lab needs the capabilities CAP_SYS_ADMIN and CAP_NET_ADMIN, which root does not have here " +
    "(in a container: start it with --privileged)";
}
