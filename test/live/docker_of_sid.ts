/**
 * The Docker of Debian's sid, unpacked into a cache and not installed: a tree to lie over this machine's files. The
 * packages come from the archive that this machine's apt is set to.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import process from "node:process";

/** What runs Docker, and the libraries that it brings; not what it recommends or merely depends on. */
const PACKAGES = ["docker.io", "docker-cli", "containerd", "runc", "tini-static", "iptables"];
const LIBRARIES =
  /^(libc6|libgcc-s1|libseccomp2|libsystemd0|libip[46]tc2|libxtables12|libnftnl11|libmnl0|libnfnetlink0|libnetfilter-conntrack3)_/;

/** Throws a sentence when it cannot be had. */
export function dockerOfSid(): string {
  const cache = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "ovltun", "docker-of-sid");
  const tree = join(cache, "tree");
  if (existsSync(tree)) return tree;
  rmSync(cache, { recursive: true, force: true });
  try {
    fill(cache);
  } catch (error) {
    rmSync(cache, { recursive: true, force: true });
    const said = String((error as { stderr?: unknown }).stderr ?? error);
    throw new Error(
      `the packages of sid cannot be had: ${said.replaceAll(/https?:\/\/\S+/g, "(archive)").trim()}`,
    );
  }
  return tree;
}

function fill(cache: string): void {
  const at = (name: string) => join(cache, name);
  for (const folder of ["lists/partial", "archives/partial", "unpacked"]) {
    mkdirSync(at(folder), { recursive: true });
  }
  const run = (program: string, args: readonly string[], env = process.env) =>
    execFileSync(program, args, { stdio: ["ignore", "pipe", "pipe"], encoding: "utf8", env });
  const archives = run("apt-get", ["indextargets", "--format", "$(REPO_URI)"]);
  const archive = archives.split("\n").find((uri) => /\/debian\/?$/.test(uri));
  if (archive === undefined) throw new Error("apt is not set to an archive of Debian");
  const key = "/usr/share/keyrings/debian-archive-keyring.gpg";
  writeFileSync(at("sources.list"), `deb [signed-by=${key}] ${archive} sid main\n`);
  writeFileSync(at("status"), "");
  writeFileSync(
    at("apt.conf"),
    `Dir::Etc::sourcelist "${at("sources.list")}";
     Dir::Etc::sourceparts "-";
     Dir::State::lists "${at("lists")}";
     Dir::State::status "${at("status")}";
     Dir::Cache::archives "${at("archives")}";
     Dir::Cache::pkgcache "";
     Dir::Cache::srcpkgcache "";
     Acquire::Languages "none";`,
  );
  const env = { ...process.env, APT_CONFIG: at("apt.conf") };
  run("apt-get", ["-qq", "update"], env);
  const install = ["-qq", "-y", "--no-install-recommends", "--download-only", "install", ...PACKAGES];
  run("apt-get", install, env);
  for (const file of readdirSync(at("archives"))) {
    const wanted = PACKAGES.some((name) => file.startsWith(`${name}_`)) || LIBRARIES.test(file);
    if (wanted) run("dpkg", ["-x", join(at("archives"), file), at("unpacked")]);
  }
  rmSync(at("archives"), { recursive: true });
  renameSync(at("unpacked"), at("tree"));
}
