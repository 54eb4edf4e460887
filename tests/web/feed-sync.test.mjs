import assert from "node:assert/strict";
import { test } from "node:test";

import { FeedLog } from "../../shared/web/js/feed-log.mjs";
import { FeedSync } from "../../shared/web/js/feed-sync.mjs";
import { chance, change } from "./making.mjs";

const RUNS = 300;

/** A feed on a server: it grows, and answers pages as the API does. */
class Server {
  constructor(random) {
    this.random = random;
    this.rows = [];
    this.items = 0;
  }

  write() {
    const position = this.rows.length + 1;
    const known = Math.ceil(this.random() * this.items);
    const kind = this.random();
    const old = known > 0 && kind < 0.5;
    const id = old ? `item${known}` : `item${(this.items += 1)}`;
    const at = new Date(Date.UTC(2026, 0, 1, 0, Number(id.slice(4)))).toISOString();
    const row = change(position, { id, at, text: `state ${position}`, deleted: old && kind < 0.15, edited: old });
    this.rows.push(row);
    return row;
  }

  page({ after, before, top }) {
    if (after !== undefined) return this.rows.slice(after, after + top).map((row) => this.now(row));
    const end = before === undefined ? this.rows.length : before - 1;
    return this.rows.slice(Math.max(0, end - top), end).reverse().map((row) => this.now(row));
  }

  /** A row as a page has it: with the present state of its item, while a live message has that of its time. */
  now(row) {
    const { deleted, content, version, changed } = this.rows.findLast((each) => each.id === row.id);
    return { ...row, deleted, content, version, changed };
  }
}

/** What a client should show that has known the log from `low` on. */
function folded(rows, low) {
  const log = new FeedLog();
  log.begin(rows.slice(low - 1));
  return stateOf(log);
}

/** Everything about the items but their order: who never saw what was deleted does not know when it was written. */
function stateOf(log) {
  const items = [...log.items.values()].map(({ id, last, deleted, edited, content, first }) => ({ id, last, deleted, edited, content, first }));
  return items.sort((one, other) => one.first - other.first);
}

/** One random life: writing, live messages that are lost, late, doubled or without content, failing requests, coming back. */
async function live(seed) {
  const random = chance(seed);
  const server = new Server(random);
  const shown = [];
  const asked = [];
  const underway = [];
  for (let count = Math.floor(random() * 80); count > 0; count -= 1) server.write();
  const screen = () => {
    const made = { open: true, onEffects: (effects) => made.open && shown.push(...effects.map((effect) => effect.position)) };
    return made;
  };
  let page = screen();
  const fetchPage = (question) =>
    new Promise((resolve, reject) => {
      // answered some other time, with what there is when it was asked or when it is answered, or not at all
      const early = random() < 0.5 ? server.page({ ...question, top: Math.min(question.top, PAGE(random)) }) : null;
      asked.push(() => (random() < 0.15 ? reject(new Error("no network")) : resolve(early ?? server.page(question))));
    });
  let sync = new FeedSync({ fetchPage, onEffects: page.onEffects });
  sync.resume().catch(() => undefined);
  for (let step = 0; step < 120; step += 1) {
    const dice = random();
    if (dice < 0.45) {
      const row = server.write();
      if (random() < 0.75) underway.push(row);
      if (random() < 0.2) underway.push(row);
    } else if (dice < 0.75 && underway.length) {
      const [row] = underway.splice(Math.floor(random() * underway.length), 1);
      sync.hear({ position: row.position, change: random() < 0.8 ? row : null });
    } else if (dice < 0.9 && asked.length) {
      asked.shift()();
    } else if (dice < 0.93) {
      sync.older().catch(() => undefined);
    } else if (dice < 0.97) {
      sync.resume().catch(() => undefined);
    } else {
      // the page is closed and opened again, with what was kept
      const { stretch, items } = sync.log;
      page.open = false;
      page = screen();
      sync = new FeedSync({ log: new FeedLog(stretch, items.values()), fetchPage, onEffects: page.onEffects });
      asked.length = 0;
      sync.resume().catch(() => undefined);
    }
    await Promise.resolve();
  }
  // at last the network holds, and the client looks once more
  const calm = new FeedSync({
    log: new FeedLog(sync.log.stretch, sync.log.items.values()),
    fetchPage: async (question) => server.page(question),
    onEffects: page.onEffects,
  });
  await calm.resume();
  return { server, log: calm.log, shown };
}

function PAGE(random) {
  return 1 + Math.floor(random() * 200);
}

test(`whatever is lost, late, doubled or broken off, the feed's state is shown, each change once (${RUNS} lives)`, async () => {
  for (let seed = 1; seed <= RUNS; seed += 1) {
    const { server, log, shown } = await live(seed);
    const low = log.stretch.low;
    assert.equal(log.stretch.high, server.rows.length, `seed ${seed}: up to the end`);
    assert.deepEqual(stateOf(log), folded(server.rows, low), `seed ${seed}: the state`);
    const written = log.inOrder().filter((item) => !item.deleted).map((item) => item.content.createdDateTime);
    assert.deepEqual(written, [...written].sort(), `seed ${seed}: in the order in which it was written`);
    assert.equal(new Set(shown).size, shown.length, `seed ${seed}: nothing is shown twice`);
    const begun = Math.min(...shown);
    const expected = Array.from({ length: server.rows.length - begun + 1 }, (_, index) => begun + index);
    assert.deepEqual([...shown].sort((one, other) => one - other), expected, `seed ${seed}: nothing is left out`);
  }
});

test("changes are shown in order", async () => {
  for (let seed = 1; seed <= RUNS; seed += 1) {
    const { shown } = await live(seed);
    assert.deepEqual(shown, [...shown].sort((one, other) => one - other), `seed ${seed}`);
  }
});

test("a server that was set up anew is read from the beginning", async () => {
  const told = [];
  const fetchPage = async ({ after }) =>
    after === undefined ? [change(1, { id: "other", arrived: "2026-05-05T00:00:00Z" })] : [];
  const log = new FeedLog();
  log.begin([change(7)]);
  const sync = new FeedSync({ log, fetchPage, onEffects: (_, how) => told.push(how) });

  await sync.resume();

  assert.deepEqual([...log.items.keys()], ["other"]);
  assert.deepEqual(told, ["begun"]);
});

test("a gap that the server cannot fill yet is not asked about without end", async () => {
  let asked = 0;
  const log = new FeedLog();
  log.begin([change(1)]);
  const fetchPage = async () => {
    asked += 1;
    return [change(1)];
  };
  const sync = new FeedSync({ log, fetchPage, onEffects: () => undefined });

  sync.hear({ position: 5, change: change(5) });
  await sync.resume();

  assert.ok(asked <= 2, `${asked} requests`);
  assert.equal(log.behind, true);
});

test("many who want to resume share requests", async () => {
  let asked = 0;
  const fetchPage = async () => {
    asked += 1;
    return [];
  };
  const sync = new FeedSync({ fetchPage, onEffects: () => undefined });

  await Promise.all(Array.from({ length: 50 }, () => sync.resume()));

  assert.ok(asked <= 2, `${asked} requests`);
});
