import assert from "node:assert/strict";
import { test } from "node:test";

import { FeedLog, joined, shortened } from "../../shared/web/js/feed-log.mjs";
import { change } from "./making.mjs";

test("what comes next takes effect at once", () => {
  const log = new FeedLog();
  log.begin([change(2), change(1)]);

  const effects = log.hear(3, change(3));

  assert.deepEqual(effects.map((effect) => [effect.kind, effect.position]), [["added", 3]]);
  assert.equal(log.behind, false);
});

test("a duplicate does nothing", () => {
  const log = new FeedLog();
  log.begin([change(1)]);
  log.hear(2, change(2));

  assert.deepEqual(log.hear(2, change(2)), []);
  assert.deepEqual(log.follow([change(1), change(2)]), []);
});

test("what comes too early waits for what is missing, and then takes its turn", () => {
  const log = new FeedLog();
  log.begin([change(1)]);

  assert.deepEqual(log.hear(3, change(3)), []);
  assert.equal(log.behind, true);
  assert.deepEqual(log.follow([change(2)]).map((effect) => effect.position), [2, 3]);
  assert.equal(log.behind, false);
});

test("a message that was too large to send says that there is something to fetch", () => {
  const log = new FeedLog();
  log.begin([]);

  assert.deepEqual(log.hear(1, null), []);
  assert.equal(log.behind, true);
});

test("an edit changes the item where it stands, and a deletion keeps who wrote it and when", () => {
  const log = new FeedLog();
  log.begin([change(1, { id: "a", by: "Ada", at: "2026-01-01T08:00:00Z" }), change(2, { id: "b", at: "2026-01-01T09:00:00Z" })]);
  log.hear(3, change(3, { id: "a", by: "Ada", at: "2026-01-01T08:00:00Z", text: "better", edited: true }));
  assert.deepEqual(log.inOrder().map((item) => [item.id, item.edited]), [["a", true], ["b", false]]);

  log.hear(4, change(4, { id: "a", deleted: true }));

  const [first] = log.inOrder();
  assert.deepEqual([first.id, first.deleted, first.by, first.content, first.at], ["a", true, "Ada", null, "2026-01-01T08:00:00Z"]);
});

test("what Teams has emptied counts as deleted, and comes back when that is undone", () => {
  const log = new FeedLog();
  log.begin([change(1, { id: "a" })]);
  const emptied = change(2, { id: "a" });
  emptied.content.deletedDateTime = "2026-01-01T10:00:00Z";

  assert.equal(log.hear(2, emptied)[0].kind, "deleted");
  log.hear(3, change(3, { id: "a" }));

  assert.equal(log.inOrder()[0].deleted, false);
});

test("another log under the same name is noticed", () => {
  const log = new FeedLog();
  log.begin([change(1), change(2)]);

  assert.equal(log.isSameLog([change(2), change(3)]), true);
  assert.equal(log.isSameLog([]), false);
  assert.equal(log.isSameLog([change(2, { arrived: "2026-02-02T00:00:00Z" })]), false);
});

test("reading backwards adds what is older and changes nothing newer", () => {
  const log = new FeedLog();
  log.begin([change(4, { id: "a", text: "new", edited: true }), change(3)]);

  log.precede([change(2), change(1, { id: "a", text: "old" })]);

  assert.deepEqual([log.stretch.low, log.hasOlder], [1, false]);
  const item = log.items.get("a");
  assert.deepEqual([item.content.body.content, item.first, item.last], ["new", 1, 4]);
});

test("a stretch is shortened from its old end", () => {
  const log = new FeedLog();
  log.begin([change(3, { id: "a" }), change(2), change(1, { id: "a" })]);

  const { stretch, items } = shortened(log.stretch, [...log.items.values()], 2);

  assert.deepEqual([stretch.low, stretch.high], [2, 3]);
  assert.deepEqual(items.map((item) => item.first), [2, 2]);
});

test("stretches of two tabs are joined where they touch", () => {
  const stretch = (low, high) => ({ low, high, mark: `m${high}` });

  assert.deepEqual(joined(stretch(1, 5), stretch(4, 9)), { low: 1, high: 9, mark: "m9" });
  assert.deepEqual(joined(stretch(6, 9), stretch(1, 5)), { low: 1, high: 9, mark: "m9" });
  assert.deepEqual(joined(stretch(1, 5), stretch(7, 9)), { low: 7, high: 9, mark: "m9" });
});
