/**
 * Data planes in Workers (worker.ts): the thread blocks in epoll, an eventfd wakes it, and it is ended by a message in its
 * mailbox, never by terminate() alone, which can hang on a blocked Worker. And what this host seals with, measured.
 */
import { aeadProvider, measureSuites } from "../crypto/aead.ts";
import type { Ciphers, PlaneMaker, PlaneStart, PlaneThread } from "../ports/machine.ts";
import type { DataplaneEvent } from "../ports/planes.ts";
import { EventFd } from "../sys/epoll.ts";
import { systemClock } from "../sys/system.ts";
import { aeadMakers } from "./aead_makers.ts";

/** What the main thread hands the data-plane Worker when it starts, and the eventfd that wakes it. */
export interface WorkerStart extends PlaneStart {
  readonly wakeFd: number;
}

export const planes: PlaneMaker = { load, ciphers };

function load(onEvent: (event: DataplaneEvent) => void): PlaneThread {
  const wake = new EventFd();
  // Beside this file in the source; the build flattens the entry points of the binary (scripts/compile).
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  worker.onmessage = (event: MessageEvent<DataplaneEvent>) => onEvent(event.data);
  worker.onerror = (event) => onEvent({ kind: "failed", message: event.message });
  return {
    start: (start) => worker.postMessage({ ...start, wakeFd: wake.fd } satisfies WorkerStart),
    wake: () => wake.signal(),
    end: () => {
      worker.terminate();
      wake.close();
    },
  };
}

function ciphers(): Ciphers {
  const { makers, without } = aeadMakers();
  const suites = measureSuites(makers, systemClock);
  return { suites, provider: aeadProvider(makers, suites), without };
}
