/**
 * The disk of this host: node:fs with callbacks, which both runtimes serve by a pool of threads. fdatasync(2) is enough
 * where a file keeps its name: it writes the length, too.
 */
import { close, fchmod, fdatasync, fsync, open, rename, rm, stat, write } from "node:fs";
import { dirname } from "node:path";
import { promisify } from "node:util";
import type { Disk } from "../ports/disk.ts";

const MODE = 0o600;

const openFile = promisify(open);
const closeFile = promisify(close);
const renameFile = promisify(rename);
const removeFile = promisify(rm);
const changeMode = promisify(fchmod);
const sync = promisify(fsync);
const syncData = promisify(fdatasync);

export const systemDisk: Disk = {
  overwrite: (path, at, bytes) => withFile(path, "r+", (fd) => put(fd, bytes, at).then(() => syncData(fd))),
  append: (path, bytes) => withFile(path, "a", (fd) => put(fd, bytes, null).then(() => syncData(fd))),
  replace,
  remove: (path) => removeFile(path, { force: true }),
  look: (paths) => Promise.all(paths.map(look)),
};

async function replace(path: string, parts: Iterable<Uint8Array>): Promise<void> {
  const temporary = `${path}.tmp`;
  try {
    await removeFile(temporary, { force: true });
    await withFile(temporary, "wx", async (fd) => {
      for (const part of parts) await put(fd, part, null);
      await changeMode(fd, MODE); // whatever the umask took
      await sync(fd);
    });
    await renameFile(temporary, path);
    await withFile(dirname(path), "r", (fd) => sync(fd));
  } catch (error) {
    // The reason is told; where even this fails, the next write replaces it.
    await removeFile(temporary, { force: true }).catch(() => {});
    throw error;
  }
}

async function withFile(path: string, flags: string, use: (fd: number) => Promise<void>): Promise<void> {
  const fd = await openFile(path, flags, MODE);
  try {
    await use(fd);
  } finally {
    await closeFile(fd);
  }
}

/** All of it, wherever one write(2) ends. `at`: null where the file goes on. */
async function put(fd: number, bytes: Uint8Array, at: number | null): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    done += await writeSome(fd, bytes.subarray(done), at === null ? null : at + done);
  }
}

function writeSome(fd: number, bytes: Uint8Array, at: number | null): Promise<number> {
  return new Promise((resolve, reject) => {
    write(
      fd,
      bytes,
      0,
      bytes.length,
      at,
      (error, written) => error === null ? resolve(written) : reject(error),
    );
  });
}

function look(path: string): Promise<string | null> {
  return new Promise((resolve, reject) => {
    stat(path, (error, found) => {
      if (error === null) return resolve(`${found.dev}:${found.ino}`);
      if (error.code === "ENOENT" || error.code === "ENOTDIR") return resolve(null);
      reject(error);
    });
  });
}
