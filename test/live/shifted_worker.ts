/** The data-plane Worker under another wall clock. */
import "./shifted_clock.ts";
import "../../src/machine/worker.ts";
