import assert from "node:assert/strict";
import { test } from "node:test";
import { Derived } from "../../../src/control/records/derived.ts";

test("What is derived is made once for each state of its tables, also when nothing comes of it", () => {
  const derived = new Derived<number | undefined>();
  let made = 0;
  const make = (value: number | undefined) => () => (made++, value);
  assert.equal(derived.at("1 1", make(undefined)), undefined);
  assert.equal(derived.at("1 1", make(7)), undefined);
  assert.equal(made, 1);
  assert.equal(derived.at("2 1", make(7)), 7);
  assert.equal(derived.at("2 1", make(8)), 7);
  assert.equal(made, 2);
});
