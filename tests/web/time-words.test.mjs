import assert from "node:assert/strict";
import { test } from "node:test";

import { ago, counted, dayOf, duration, welcomeBack } from "../../shared/web/js/time-words.mjs";

const NOW = new Date(2026, 5, 15, 14, 30).getTime();
const before = (minutes) => new Date(NOW - minutes * 60_000).toISOString();

for (const [minutes, words] of [
  [-5, "just now"],
  [0.5, "just now"],
  [1, "1 min ago"],
  [59, "59 min ago"],
  [61, "1:29 PM"],
  [24 * 60, "yesterday, 2:30 PM"],
  [3 * 24 * 60, "Jun 12"],
  [400 * 24 * 60, "May 11, 2025"],
]) {
  test(`${minutes} minutes ago is said as '${words}'`, () => {
    assert.equal(ago(before(minutes), NOW, "en-US").replace("\u202f", " "), words);
  });
}

test("what is no time is said as nothing", () => {
  assert.deepEqual([ago("", NOW), ago("soon", NOW), dayOf("", NOW)], ["", "", ""]);
});

test("days have names", () => {
  assert.equal(dayOf(before(1), NOW, "en-US"), "Today");
  assert.equal(dayOf(before(20 * 60), NOW, "en-US"), "Yesterday");
  assert.equal(dayOf(before(5 * 24 * 60), NOW, "en-US"), "Wednesday, June 10, 2026");
});

test("somebody who comes back is told what happened, if anything did", () => {
  assert.equal(welcomeBack(12.5 * 60_000, 7), "You were away for 12 minutes; 7 messages came meanwhile.");
  assert.equal(welcomeBack(60 * 60_000, 1), "You were away for 1 hour; 1 message came meanwhile.");
  assert.equal(welcomeBack(60 * 60_000, 0), "");
  assert.equal(welcomeBack(1_000, 3), "");
});

test("numbers agree with their nouns", () => {
  assert.deepEqual([counted(1, "reply", "replies"), counted(0, "reply", "replies")], ["1 reply", "0 replies"]);
  assert.equal(duration(50 * 60 * 60_000), "2 days");
});
