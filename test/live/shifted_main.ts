/** The program under another wall clock: `SHIFT_FILE=FILE shifted_main.ts up …`. */
import "./shifted_clock.ts";
import "../../src/main.ts";
