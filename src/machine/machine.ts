/** The machine that the process runs on: ports/machine.ts over sys/, the runtime's Workers and the control socket. */
import { lookup } from "node:dns/promises";
import { serveApi } from "../api/server.ts";
import type { DeviceMaker, Machine, Surroundings } from "../ports/machine.ts";
import { releaseCodePages } from "../sys/code_pages.ts";
import { openHostNetwork } from "../sys/host_network.ts";
import { openRuleset } from "../sys/nftables.ts";
import { notifyReady, notifyStopping } from "../sys/notify.ts";
import { collectGarbage, systemClock, systemRandom, systemTimers } from "../sys/system.ts";
import { systemSysctls } from "../sys/sysctls.ts";
import { closeTun, limitTun, openTun } from "../sys/tun.ts";
import { run } from "./child.ts";
import { systemDisk } from "./disk.ts";
import { systemLocks } from "./locks.ts";
import { planes } from "./plane_threads.ts";
import { testSuperframes } from "./self_tests.ts";
import { onStop } from "./stop_signals.ts";
import { udp } from "./udp_ports.ts";

const devices: DeviceMaker = {
  open: (name, wanted, workers) => openTun(name, wanted, undefined, workers),
  limit: limitTun,
  close: closeTun,
  test: testSuperframes,
};

const surroundings: Surroundings = {
  serve: serveApi,
  onStop,
  run,
  tellReady: notifyReady,
  tellStopping: notifyStopping,
  releaseMemory: () => {
    collectGarbage();
    releaseCodePages();
  },
  resolve: async (host) => (await lookup(host, { all: true })).map(({ address }) => address),
};

/** Everything belongs to the namespaces that the calling thread is in. */
export const systemMachine: Machine = {
  clock: systemClock,
  random: systemRandom,
  timers: systemTimers,
  devices,
  udp,
  planes,
  locks: systemLocks,
  disk: systemDisk,
  surroundings,
  sysctls: systemSysctls,
  openNetwork: openHostNetwork,
  openRuleset,
};
