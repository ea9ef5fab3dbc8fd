/**
 * Another wall clock for the program that is imported after this file: Date, and where performance begins, are off by
 * the milliseconds in the file that SHIFT_FILE names; what is monotonic is not. The machine's clock stays as it is.
 * Workers that the program starts get the same (shifted_worker.ts).
 */
import { readFileSync } from "node:fs";
import process from "node:process";

const file = process.env["SHIFT_FILE"]!;
const shift = () => Number(readFileSync(file, "utf8"));

const { Date: TrueDate, Worker: TrueWorker } = globalThis;

globalThis.Date = new Proxy(TrueDate, {
  construct: (date, args) =>
    args.length === 0 ? new date(date.now() + shift()) : Reflect.construct(date, args),
  apply: (date) => new date(date.now() + shift()).toString(),
  get: (date, name) => name === "now" ? () => date.now() + shift() : Reflect.get(date, name),
});

// It is read once, when a thread starts: a step of the clock does not move it.
const origin = performance.timeOrigin + shift();
Object.defineProperty(performance, "timeOrigin", { get: () => origin });

globalThis.Worker = new Proxy(TrueWorker, {
  construct: (worker, [url, options]) => {
    if (!String(url).endsWith("/src/machine/worker.ts")) {
      throw new Error(`No Worker is known at ${url}`);
    }
    return new worker(new URL("./shifted_worker.ts", import.meta.url), options);
  },
});
