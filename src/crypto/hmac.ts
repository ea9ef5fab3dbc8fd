/** HMAC-SHA256 by node:crypto: what the control thread uses, and the Worker where there is no libcrypto. */

import { createHmac } from "node:crypto";
import type { Hmac } from "../ports/aead.ts";

export const nodeHmac: Hmac = {
  by: "node:crypto",
  digest: (key, b, at, length, out) => {
    const mac = createHmac("sha256", key).update(b.subarray(at, at + length)).digest();
    out.set(mac.subarray(0, out.length));
  },
};
