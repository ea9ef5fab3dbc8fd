/** What this program is: its version from package.json (bundled into the binary) and the runtime under it. */
import { runtimeName } from "#ffi";
import manifest from "../package.json" with { type: "json" };

export const VERSION: string = manifest.version;
/** "bun" or "deno". */
export const RUNTIME: string = runtimeName;
