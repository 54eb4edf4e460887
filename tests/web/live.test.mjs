import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { Live } from "../../shared/web/js/live.mjs";

const GRANTED = { url: "u", accessToken: "t", renewAfter: 200 };

/** A service whose connections a test can cut, a clock that it can turn, and what the page was told. */
function stage(told = {}) {
  mock.timers.enable({ apis: ["setTimeout"] });
  const scene = { asked: [], opened: 0, states: [], cuts: [], online: true, refusal: null, deaf: false };
  const live = new Live({
    negotiate: async (feeds) => {
      scene.asked.push(feeds);
      if (scene.refusal) throw scene.refusal;
      return { ...GRANTED, ...told };
    },
    connect: async () => {
      if (scene.deaf) throw new Error("nobody there");
      let cut = () => {};
      const closed = new Promise((resolve) => {
        cut = resolve;
      });
      scene.cuts.push(cut);
      return { stop: async () => cut(), closed };
    },
    onOpen: () => {
      scene.opened += 1;
    },
    onState: (state) => scene.states.push(state),
    isOnline: () => scene.online,
    random: () => 0.5,
  });
  return { scene, live };
}

async function pass(milliseconds = 0) {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
  mock.timers.tick(milliseconds);
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
}

test.afterEach(() => mock.timers.reset());

test("it connects, and has what was missed fetched", async () => {
  const { scene, live } = stage();
  live.run(["f1"]);
  await pass();

  assert.deepEqual([scene.asked, scene.opened, scene.states], [[["f1"]], 1, ["connecting", "live"]]);
  await live.stop();
});

test("it negotiates again when it was told to, and keeps the connection", async () => {
  const { scene, live } = stage();
  live.run(["f1"]);
  await pass();
  await pass(199_000);
  assert.equal(scene.asked.length, 1);
  await pass(1_000);

  assert.deepEqual([scene.asked.length, scene.opened, scene.cuts.length], [2, 1, 1]);
  await live.stop();
});

test("what may not be renewed is tried again soon, and what may have been missed meanwhile is fetched", async () => {
  const { scene, live } = stage();
  live.run(["f1"]);
  await pass();
  scene.refusal = { status: 503 };
  await pass(200_000);
  scene.refusal = null;
  await pass(5_000);

  assert.deepEqual([scene.opened, scene.cuts.length, scene.states.at(-1)], [2, 1, "live"]);
  await live.stop();
});

test("a thousand lost connections are a thousand found again, each with one look at what was missed", async () => {
  const { scene, live } = stage();
  live.run(["f1"]);
  await pass();
  for (let number = 0; number < 1_000; number += 1) {
    scene.cuts.at(-1)();
    await pass();
    await pass(2_000);
  }

  assert.deepEqual([scene.opened, scene.cuts.length, scene.asked.length], [1_001, 1_001, 1_001]);
  assert.equal(scene.states.at(-1), "live");
  await live.stop();
});

test("a service that is away is asked ever more rarely, but at least three times a minute", async () => {
  const { scene, live } = stage();
  scene.deaf = true;
  live.run(["f1"]);
  await pass();
  const times = [];
  for (let second = 0; second < 300; second += 1) {
    const before = scene.asked.length;
    await pass(1_000);
    if (scene.asked.length > before) times.push(second);
  }
  const pauses = times.slice(1).map((time, index) => time - times[index]);

  assert.ok(times.length < 25, `${times.length} in five minutes`);
  assert.ok(Math.max(...pauses) <= 20, `${pauses}`);
  scene.deaf = false;
  await pass(20_000);
  assert.equal(scene.states.at(-1), "live");
  await live.stop();
});

test("without a network it does not ask, and it does not wait once the network is back", async () => {
  const { scene, live } = stage();
  scene.online = false;
  live.run(["f1"]);
  await pass(60_000);
  assert.deepEqual([scene.asked, scene.states.at(-1)], [[], "offline"]);
  scene.online = true;
  live.lookAgain();
  await pass();

  assert.equal(scene.states.at(-1), "live");
  await live.stop();
});

test("an app without live updates is looked at now and then, and the page says so", async () => {
  const { scene, live } = stage();
  scene.refusal = { status: 404 };
  live.run(["f1"]);
  await pass(30_000);

  assert.deepEqual([scene.asked.length, scene.states.at(-1)], [1, "asking"]);
  await live.stop();
});

test("other feeds are asked for at once", async () => {
  const { scene, live } = stage();
  live.run(["f1"]);
  await pass();
  live.hear(["f1"]);
  await pass();
  live.hear(["f1", "f2"]);
  await pass();

  assert.deepEqual(scene.asked, [["f1"], ["f1", "f2"]]);
  await live.stop();
});

test("feeds that are named while it is negotiating are not forgotten", async () => {
  const { scene, live } = stage();
  live.run(["f1"]);
  live.hear(["f1", "f2"]);
  await pass();

  assert.deepEqual(scene.asked, [["f1"], ["f1", "f2"]]);
  await live.stop();
});
