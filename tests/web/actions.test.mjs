import assert from "node:assert/strict";
import { test } from "node:test";

import { after, again, began, foreseen, newAction, nextAction, orphans, pauseBefore } from "../../shared/web/js/actions.mjs";
import { chance } from "./making.mjs";

const action = (order, told = {}) =>
  ({ ...newAction({ key: `k${order}`, order, kind: "reply", message: `m${order}`, subject: "Lunch" }), ...told });

test("the oldest goes first, and one at a time", () => {
  const actions = [action(2), action(1)];

  assert.equal(nextAction(actions, 0)?.key, "k1");
  assert.equal(nextAction([began(actions[1]), actions[0]], 0), undefined);
});

test("what is done goes away", () => {
  assert.equal(after(began(action(1)), { ok: true }, 0), null);
});

test("what the server refuses stays, with its words, and holds back what is about the same message only", () => {
  const refused = after(began(action(1, { message: "a" })), { ok: false, final: true, message: "no such folder" }, 0);
  const actions = [refused, action(2, { message: "a", kind: "delete" }), action(3, { message: "b" })];

  assert.deepEqual([refused.state, refused.problem], ["refused", "no such folder"]);
  assert.equal(nextAction(actions, 0)?.key, "k3");
  assert.equal(nextAction([again(refused), actions[1]], 0)?.key, "k1");
});

test("what fails for now waits longer each time, but never for ever, and others may go meanwhile", () => {
  let failing = action(1);
  const pauses = [];
  for (let attempt = 0; attempt < 9; attempt += 1) {
    failing = after(began(failing), { ok: false, final: false, message: "away" }, 1000);
    pauses.push(failing.notBefore - 1000);
  }

  assert.deepEqual(pauses, [2000, 4000, 8000, 16000, 32000, 60000, 60000, 60000, 60000]);
  assert.equal(nextAction([failing, action(2)], 1000)?.key, "k2");
  assert.equal(pauseBefore([failing], 1000), 60000);
});

test("the server says when to come again", () => {
  const waiting = after(began(action(1)), { ok: false, final: false, message: "busy", after: 5000 }, 0);

  assert.equal(waiting.notBefore, 5000);
});

test("what was on its way when the browser closed goes again, with the same key", () => {
  const [found] = orphans([began(action(1)), action(2)]);

  assert.deepEqual([found.key, found.state], ["k1", "waiting"]);
});

test("a mail shows as it will be", () => {
  const mail = { id: "m", isRead: false };
  const read = action(1, { message: "m", kind: "read", body: { isRead: true } });
  const gone = action(2, { message: "m", kind: "delete" });

  assert.deepEqual(foreseen(mail, [read]), { id: "m", isRead: true });
  assert.equal(foreseen(mail, [gone, read]), null);
  assert.deepEqual(foreseen(mail, [{ ...gone, state: "refused" }]), mail, "what was refused has not happened");
});

test("however the network behaves and whenever the browser closes, everything asked for is done once and in order", () => {
  for (let seed = 1; seed <= 200; seed += 1) {
    const random = chance(seed);
    const done = [];
    const known = new Set();
    let [actions, now, order] = [[], 0, 0];
    const put = (changed) => {
      actions = actions.map((each) => (each.key === changed.key ? changed : each));
    };
    const send = (each) => {
      // it may arrive although we are not told so; the server knows it by its key
      if (random() < 0.7 && !known.has(each.key)) {
        known.add(each.key);
        done.push(each);
      }
      return known.has(each.key) && random() < 0.6 ? { ok: true } : { ok: false, final: false, message: "away" };
    };
    for (let step = 0; step < 400; step += 1) {
      now += 1000;
      if (step < 100 && random() < 0.3) actions.push(action((order += 1), { message: `m${Math.floor(random() * 4)}` }));
      if (random() < 0.05) for (const orphan of orphans(actions)) put(orphan);
      const next = nextAction(actions, now);
      if (!next) continue;
      put(began(next));
      if (random() < 0.1) continue; // closed before the answer
      const left = after(began(next), send(next), now);
      if (left) put(left);
      else actions = actions.filter((each) => each.key !== next.key);
    }
    for (let step = 0; actions.length && step < 1000; step += 1) {
      now += 60_000;
      for (const orphan of orphans(actions)) put(orphan);
      const next = nextAction(actions, now);
      if (next && !known.has(next.key)) done.push(next);
      if (next) known.add(next.key);
      actions = actions.filter((each) => each.key !== next?.key);
    }
    assert.equal(done.length, order, `seed ${seed}: each once`);
    for (const message of new Set(done.map((each) => each.message))) {
      const orders = done.filter((each) => each.message === message).map((each) => each.order);
      assert.deepEqual(orders, [...orders].sort((one, other) => one - other), `seed ${seed}: ${message} in order`);
    }
  }
});
