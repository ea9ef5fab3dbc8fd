/** Failed system calls as SysError, in the C library's words. */
import { SysError } from "../ports/sys_error.ts";
import { libc } from "./libc.ts";

/** `op` says what was tried, `hint` what to do about it. */
export function failed(op: string, errno: number, hint = ""): SysError {
  return new SysError(op, errno, libc().message(errno), hint);
}

/** Passes a non-negative result through; throws SysError for −1 with the errno of this thread. */
export function check(op: string, result: number, hint = ""): number {
  if (result >= 0) return result;
  throw failed(op, libc().errno(), hint);
}
