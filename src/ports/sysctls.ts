/** The kernel's settings under /proc/sys, by their path there: "net/ipv4/ip_forward". */
export interface Sysctls {
  /** Names this boot of the host, and this network namespace: what was set in another says nothing of these. */
  place(): string;
  /** Its text without the line end; null: this kernel has none such, or does not show it. */
  read(path: string): string | null;
  /** Throws SysError. */
  write(path: string, value: string): void;
  /** What is in a directory of them: "net/ipv6/conf" has the interfaces, `all` and `default`. Empty: there is none. */
  list(directory: string): readonly string[];
}
