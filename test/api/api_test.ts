import { test } from "node:test";
import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ApiError, callApi, NoDaemonError } from "../../src/api/client.ts";
import { serveApi } from "../../src/api/server.ts";
import type { Served } from "../../src/ports/machine.ts";
import type { ApiHandlers } from "../../src/api/schema.ts";

const version = () => ({ version: "1.2.3", runtime: "test", pid: 42 });

async function withServer(handlers: ApiHandlers, use: (path: string, server: Served) => Promise<void>) {
  const directory = mkdtempSync(join(tmpdir(), "ovltun-api-"));
  const path = join(directory, "run", "control.sock");
  const server = await serveApi(path, handlers);
  try {
    await use(path, server);
  } finally {
    await server.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Asks until it holds; a busy machine may take its time. */
async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = performance.now() + 30_000; !await holds();) {
    assert.ok(performance.now() < end, "waited for half a minute");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Sends raw text and gives what comes back until the other side hangs up or `lines` lines are there. */
function rawExchange(path: string, text: string, lines = 1): Promise<string[]> {
  return new Promise((resolve) => {
    let answer = "";
    const socket = connect({ path });
    socket.on("connect", () => socket.write(text));
    socket.on("data", (data) => {
      answer += String(data);
      if (answer.split("\n").length > lines) socket.destroy();
    });
    socket.on("error", () => socket.destroy());
    socket.on("close", () => resolve(answer.split("\n").filter((line) => line !== "")));
  });
}

test("callApi() and serveApi() carry params, results and errors", async () => {
  const handlers: ApiHandlers = {
    version,
    why: ({ node }) => {
      throw new Error(`No node ${JSON.stringify(node)}`);
    },
  };
  await withServer(handlers, async (path) => {
    assert.deepEqual(await callApi(path, "version", {}), version());
    await assert.rejects(callApi(path, "why", { node: "x" }), (error) => {
      assert.ok(error instanceof ApiError);
      assert.equal(error.message, 'No node "x"');
      return true;
    });
    await assert.rejects(callApi(path, "status", {}), /Unknown method "status"/);
  });
});

test("serveApi() makes a socket for its owner only and leaves nothing behind", async () => {
  await withServer({ version }, async (path, server) => {
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.deepEqual(readdirSync(join(path, "..")), ["control.sock"]);
    await server.close();
    assert.deepEqual(readdirSync(join(path, "..")), []);
  });
});

test("serveApi() refuses the place of a live daemon and takes that of a dead one", async () => {
  await withServer({ version }, async (path, server) => {
    await assert.rejects(
      serveApi(path, {}),
      /Another ovltun daemon \(pid 42\) is serving ".*control\.sock"; stop it/,
    );
    assert.equal((await callApi(path, "version", {})).pid, 42);
    await server.close();
    await leaveStaleSocket(path);
    assert.ok(existsSync(path));
    const again = await serveApi(path, { version });
    assert.equal((await callApi(path, "version", {})).pid, 42);
    await again.close();
    writeFileSync(path, "mine");
    await assert.rejects(serveApi(path, {}), /is not a socket/);
    assert.ok(existsSync(path));
  });
});

test("restore() serves again where the socket or its directory was taken away, and nowhere else", async () => {
  await withServer({ version }, async (path, server) => {
    assert.equal(await server.restore(), false);
    rmSync(path);
    assert.equal(await server.restore(), true);
    assert.equal((await callApi(path, "version", {})).pid, 42);
    rmSync(join(path, ".."), { recursive: true });
    assert.equal(await server.restore(), true);
    assert.equal((await callApi(path, "version", {})).pid, 42);
    assert.deepEqual(readdirSync(join(path, "..")), ["control.sock"]);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    rmSync(path);
    const other = await serveApi(path, { version: () => ({ ...version(), pid: 43 }) });
    await assert.rejects(server.restore(), /Another ovltun daemon \(pid 43\)/);
    await server.close();
    assert.equal((await callApi(path, "version", {})).pid, 43);
    await other.close();
  });
});

/** A socket file nobody listens at, as a killed daemon leaves it. */
async function leaveStaleSocket(path: string): Promise<void> {
  const { linkSync } = await import("node:fs");
  const server = createServer();
  const hidden = `${path}.x`;
  await new Promise<void>((resolve) => server.listen(hidden, () => resolve()));
  linkSync(hidden, path);
  await new Promise<void>((resolve) => server.close(() => resolve()));
  rmSync(hidden, { force: true });
}

test("callApi() says that no daemon answers, is forbidden, or is late", async () => {
  await assert.rejects(callApi("/nonexistent/control.sock", "version", {}), (error) => {
    assert.ok(error instanceof NoDaemonError);
    assert.match(
      error.message,
      /^No ovltun daemon is running at "\/nonexistent\/control\.sock" \(start one with: ovltun up\)$/,
    );
    return true;
  });
  const never = new Promise<never>(() => {});
  await withServer({ version: () => never }, async (path) => {
    await assert.rejects(callApi(path, "version", {}, { timeoutMs: 50 }), /did not answer within 0\.05 s/);
    chmodSync(path, 0o600);
  });
});

test("serveApi() answers malformed requests with errors and lives on", async () => {
  await withServer({ version }, async (path) => {
    const ask = async (text: string) => JSON.parse((await rawExchange(path, text))[0]!) as { error?: string };
    for (
      const text of ["garbage\n", "\n", "null\n", "3\n", "[]\n", '{"method":3}\n', '{"method":"__proto__"}\n']
    ) {
      assert.equal(typeof (await ask(text)).error, "string", text);
    }
    assert.match((await ask('{"id":1,"method":"version","params":[]}\n')).error!, /params/);
    assert.match((await ask("x".repeat(70_000))).error!, /65536 bytes/);
    assert.match((await ask(`{"x":"${"x".repeat(70_000)}"}\n`)).error!, /65536 bytes/);
    const two = await rawExchange(path, '{"id":1,"method":"version"}\n{"id":"b","method":"version"}\n', 2);
    assert.deepEqual(two.map((line) => (JSON.parse(line) as { id: unknown }).id), [1, "b"]);
    assert.equal((await callApi(path, "version", {})).pid, 42);
  });
});

test("serveApi() bounds its connections", async () => {
  await withServer({ version }, async (path) => {
    const idle = await Promise.all(
      Array.from({ length: 32 }, () =>
        new Promise<ReturnType<typeof connect>>((resolve) => {
          const socket = connect({ path });
          socket.on("error", () => {});
          socket.on("connect", () => resolve(socket));
        })),
    );
    // The server may take a moment to see who came, and who went.
    const answer = () => callApi(path, "version", {}).then(({ pid }) => pid, (error: Error) => error.message);
    await until(async () => /Too many connections/.test(`${await answer()}`));
    for (const socket of idle) socket.destroy();
    await until(async () => await answer() === 42);
  });
});

test("serveApi() answers no more than fits to somebody who does not read", async () => {
  let asked = 0;
  const handlers: ApiHandlers = {
    version: () => {
      asked++;
      return { ...version(), version: "x".repeat(10_000) };
    },
  };
  await withServer(handlers, async (path) => {
    const socket = connect({ path });
    socket.pause();
    await new Promise((resolve) => socket.once("connect", resolve));
    socket.write('{"method":"version"}\n'.repeat(3000));
    await until(() => asked > 0);
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.ok(asked < 1000, `${asked} answers to somebody who reads none`);
    assert.equal((await callApi(path, "version", {})).pid, 42);
    socket.destroy();
  });
});

test("serveApi() says what to do when the run directory is a file", async () => {
  const directory = mkdtempSync(join(tmpdir(), "ovltun-api-"));
  try {
    writeFileSync(join(directory, "run"), "");
    const wrong = /Cannot create the run directory ".*run": (EEXIST|ENOTDIR) \(a file is in its place/;
    await assert.rejects(serveApi(join(directory, "run", "control.sock"), { version }), wrong);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("a handler is told that whoever asked has hung up while it makes the answer", async () => {
  let asked = 0, gone = 0;
  const handlers: ApiHandlers = {
    version,
    events: (_, signal) => {
      asked++;
      return new Promise((resolve) => {
        signal!.addEventListener("abort", () => {
          gone++;
          resolve({ cursor: "x", snapshot: false, events: [] });
        });
      });
    },
  };
  await withServer(handlers, async (path) => {
    for (let n = 1; n <= 40; n++) {
      const socket = connect({ path });
      socket.write('{"id":1,"method":"events","params":{}}\n');
      await until(() => asked === n);
      if (n % 2 === 0) socket.end();
      else socket.destroy();
      await until(() => gone === n);
    }
    assert.equal((await callApi(path, "version", {})).pid, 42);
  });
});

test("who closes its end behind its question is answered", async () => {
  const handlers: ApiHandlers = {
    version: async () => {
      await new Promise((resolve) => setTimeout(resolve, 50));
      return version();
    },
  };
  await withServer(handlers, async (path) => {
    const answer = await new Promise<string>((resolve) => {
      let text = "";
      const socket = connect({ path, allowHalfOpen: true });
      socket.on("data", (data) => text += String(data));
      socket.on("end", () => resolve(text));
      socket.end('{"id":1,"method":"version","params":{}}\n');
    });
    assert.match(answer, /"pid":42/);
  });
});
