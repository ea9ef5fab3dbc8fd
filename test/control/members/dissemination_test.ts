import { test } from "node:test";
import assert from "node:assert/strict";
import { Dissemination, type News } from "../../../src/control/members/dissemination.ts";

const about = (id: string): News => ({ kind: "record", id });

test("News is told at once, again every 200 ms, and no more often than its rounds", () => {
  const news = new Dissemination();
  news.add(about("a"), 2);
  const at: number[] = [];
  for (let now = 0; now <= 5000; now += 50) if (news.round(now).length > 0) at.push(now);
  assert.deepEqual(at, [0, 200, 400]);
});

test("What comes right after a round waits for more: a hundred changes are two rounds", () => {
  const news = new Dissemination();
  const rounds: number[] = [];
  for (let i = 0; i < 100; i++) {
    news.add(about(`n${i}`), 1000);
    const told = news.round(i);
    if (told.length > 0) rounds.push(told.length);
  }
  rounds.push(news.round(100).length);
  assert.deepEqual(rounds, [1, 100]);
});

test("A rumour that five peers know already is dropped; one that says so five times is one peer", () => {
  const news = new Dissemination();
  for (const id of ["a", "b"]) news.add(about(id), 1000);
  for (const from of ["x", "x", "x", "x", "x", "y", "u", "v"]) news.heard(about("a"), from);
  assert.equal(news.round(0).length, 2);
  news.heard(about("a"), "z");
  assert.deepEqual(news.round(200), [about("b")]);
  news.add(about("a"), 1000); // it has changed
  assert.equal(news.round(400).length, 2);
});

test("What is said of a node's life has all its rounds, whoever knows it: no synchronisation makes up for it", () => {
  const news = new Dissemination();
  const dead: News = { kind: "statement", id: "a" };
  news.add(dead, 1000);
  for (const from of ["x", "y", "z", "u"]) news.heard(dead, from);
  let rounds = 0;
  for (let now = 0; now <= 10_000; now += 100) rounds += news.round(now).length;
  assert.equal(rounds, 11);
});

test("What is to be heard at once does not wait for others to come with it, also just after a round", () => {
  const spread = new Dissemination();
  spread.add({ kind: "record", id: "other" }, 10);
  assert.equal(spread.round(1000).length, 1);
  spread.add({ kind: "record", id: "another" }, 10);
  assert.equal(spread.round(1001).length, 0, "it gathers");
  spread.add({ kind: "record", id: "own" }, 10, "at once");
  assert.equal(spread.round(1002).length, 3);
});

test("Of thousands of news a round tells so much, all have their turn, and two peers who know a rumour are enough", () => {
  const news = new Dissemination();
  for (let i = 0; i < 500; i++) news.add(about(`n${i}`), 1000);
  news.add(about("own"), 1000, "at once");
  const first = news.round(0, 28_000);
  assert.deepEqual(first[0], about("own"), "what is told at once is told first");
  assert.ok(first.length > 60 && first.length < 100, `${first.length} records`);
  const told = new Set(first.map(({ id }) => id));
  for (let now = 200; told.size < 501; now += 200) {
    const round = news.round(now, 28_000);
    assert.ok(now <= 2000, `${told.size} told`);
    for (const { id } of round) told.add(id);
  }
  for (const from of ["x", "y"]) news.heard(about("n7"), from);
  let again = false;
  for (let now = 3000; now < 4400; now += 200) {
    again ||= news.round(now, 28_000).some(({ id }) => id === "n7");
  }
  assert.ok(!again);
});
