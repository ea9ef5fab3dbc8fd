/** /proc/sys (proc(5)): what is below net/ belongs to the network namespace that the calling thread is in. */
import { readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { EIO, errnoOf } from "../ports/sys_error.ts";
import type { Sysctls } from "../ports/sysctls.ts";
import { failed } from "./failed.ts";

const ROOT = "/proc/sys/";

export const systemSysctls: Sysctls = {
  place: () => `${systemSysctls.read("kernel/random/boot_id")} ${readlinkSync("/proc/thread-self/ns/net")}`,
  read(path) {
    try {
      return readFileSync(ROOT + path, "utf8").trimEnd();
    } catch {
      return null;
    }
  },
  write(path, value) {
    try {
      writeFileSync(ROOT + path, `${value}\n`);
    } catch (error) {
      const { code = "" } = error as { readonly code?: string };
      throw failed(`Cannot set ${path.replaceAll("/", ".")} to ${value}`, errnoOf(code) ?? EIO);
    }
  },
  list(directory) {
    try {
      return readdirSync(ROOT + directory);
    } catch {
      return [];
    }
  },
};
