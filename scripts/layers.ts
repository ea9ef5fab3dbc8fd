/**
 * The architecture's "who may import whom" as data (check_layers.ts checks it). A layer is a folder of src/, or a file
 * beside them (`main.ts`); a room is a folder of a layer in ROOMS.
 */

/** What each layer may import besides itself; "x:types" allows type-only imports. */
export const LAYERS: Readonly<Record<string, readonly string[]>> = {
  wire: [],
  bounds: [],
  text: [],
  log: ["bounds", "text"],
  ports: ["wire:types"],
  crypto: ["wire", "bounds", "ports"],
  dataplane: ["wire", "bounds", "crypto", "ports"],
  control: ["wire", "bounds", "crypto", "ports"],
  sys: ["wire", "ports"],
  host: ["wire", "bounds", "ports"],
  api: ["ports", "control:types"],
  config: ["wire", "control:types"],
  lab: ["api", "config", "crypto", "sys"],
  version: ["sys"],
  machine: ["wire", "ports", "crypto", "dataplane", "sys", "api"],
  daemon: [
    "wire",
    "bounds",
    "ports",
    "crypto",
    "dataplane",
    "control",
    "host",
    "api",
    "config",
    "log",
    "text",
    "version",
  ],
  commands: [
    "ports:types",
    "api",
    "config",
    "control",
    "crypto",
    "daemon",
    "host",
    "sys",
    "log",
    "text",
    "version",
  ],
  cli: ["wire", "api", "config", "crypto", "commands", "daemon", "lab", "log", "machine", "text", "version"],
  main: ["cli"],
};

/**
 * What each room of a layer may import of the others, floor by floor. The files beside the rooms put them together: they
 * may import every room, and no room imports them.
 */
export const ROOMS: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  control: {
    mesh: [],
    clones: [],
    secrets: [],
    records: ["mesh"],
    paths: ["mesh"],
    forget: ["records"],
    members: ["paths"],
    outbox: ["mesh", "secrets", "records", "paths"],
    lease: ["mesh", "records", "paths", "forget"],
    handshake: ["records", "outbox"],
    links: ["clones", "secrets", "records", "paths", "outbox", "handshake"],
    node: [
      "mesh",
      "clones",
      "secrets",
      "records",
      "paths",
      "forget",
      "members",
      "outbox",
      "lease",
      "handshake",
      "links",
    ],
  },
  dataplane: {
    packet: [],
    tables: [],
    tun: ["packet", "tables"],
    plane: ["packet", "tables", "tun"],
    out: ["packet", "tables", "plane"],
    in: ["packet", "tables", "plane"],
    encapsulations: ["packet", "tables", "plane", "out", "in"],
  },
  daemon: {
    state: [],
    planes: [],
    host: ["state"],
    reports: ["planes", "state"],
  },
};

/** Folders in which only circles are looked for. */
export const OTHER_FOLDERS = ["test", "bench", "scripts"];

/** Which layers may use a package; a prefix ending in ":" stands for all of that scheme. */
export const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  "node:": [
    "crypto",
    "sys",
    "host",
    "api",
    "config",
    "lab",
    "machine",
    "daemon",
    "commands",
    "cli",
    "log",
    "main",
  ],
  "bun:": ["sys"],
  "msgpackr": ["wire", "dataplane", "control"],
  "lru-cache": ["dataplane"],
  "tweetnacl": ["crypto"],
  "commander": ["cli", "config"],
};

/** Time and randomness are arguments (Clock, Random) everywhere else. */
export const CLOCK_LAYERS = ["sys", "commands", "cli", "lab"];
export const CLOCKS = /\b(?:Date\.now|Math\.random|performance\.now)\b/g;
/** Timers too: the control socket's ends have some of their own. */
export const TIMER_LAYERS = [...CLOCK_LAYERS, "api"];
export const TIMERS = /\b(?:setTimeout|setInterval)\b/g;
