// What this browser keeps for the signed-in person, in IndexedDB: feeds as far as they are known, mail, drafts, and what is
// waiting to be sent. One database a person; signing out deletes it.
//
// Two tabs write to one database, so that every write reads what is there first, in the same transaction.

import { joined, shortened } from "./feed-log.mjs";

/**
 * @typedef {import("./feed-log.mjs").FeedLog} FeedLog
 * @typedef {import("./feed-log.mjs").Item} Item
 * @typedef {import("./feed-log.mjs").Stretch} Stretch
 * @typedef {import("./actions.mjs").Action} Action
 * @typedef {{ id: string, resource: string, kind: string, title?: string | null, team?: string | null, stretch?: Stretch | null, read?: number }} FeedRow
 */

const VERSION = 1;
const MOST_POSITIONS = 500;

/** Open somebody's database. @param {string} userId */
export async function openStore(userId) {
  const name = `earshot-${userId}`;
  const request = indexedDB.open(name, VERSION);
  request.onupgradeneeded = () => {
    const made = request.result;
    made.createObjectStore("feeds", { keyPath: "id" });
    made.createObjectStore("items", { keyPath: ["feed", "id"] }).createIndex("feed", "feed");
    made.createObjectStore("mails", { keyPath: "id" });
    made.createObjectStore("actions", { keyPath: "key" });
    made.createObjectStore("notes");
  };
  const database = /** @type {IDBDatabase} */ (await finished(request));
  database.onversionchange = () => database.close();
  return new Store(database, name);
}

export class Store {
  /** @param {IDBDatabase} database @param {string} name */
  constructor(database, name) {
    this.database = database;
    this.name = name;
  }

  /** @returns {Promise<FeedRow[]>} */
  feeds() {
    return this.#all("feeds");
  }

  /** Write down which feeds there are, and forget those that there are no longer. @param {FeedRow[]} rows */
  async saveFeeds(rows) {
    const wanted = new Set(rows.map((row) => row.id));
    await this.#change(["feeds", "items"], async ([feeds, items]) => {
      /** @type {FeedRow[]} */
      const known = await finished(feeds.getAll());
      for (const row of known) {
        if (wanted.has(row.id)) continue;
        feeds.delete(row.id);
        await forgetItems(items, row.id);
      }
      const before = new Map(known.map((row) => [row.id, row]));
      for (const { id, resource, kind, title, team } of rows) feeds.put({ ...before.get(id), id, resource, kind, title, team });
    });
  }

  /** @param {string} feed @returns {Promise<Item[]>} */
  async items(feed) {
    const store = this.database.transaction("items").objectStore("items");
    return finished(store.index("feed").getAll(feed));
  }

  /** Write down what is known of a feed; `anew` if what was known before is of another log. @param {string} feed @param {FeedLog} log @param {boolean} anew */
  async saveLog(feed, log, anew) {
    const known = log.stretch;
    if (!known) return;
    const { stretch, items: kept } = shortened(known, [...log.items.values()], MOST_POSITIONS);
    await this.#change(["feeds", "items"], async ([feeds, items]) => {
      /** @type {FeedRow | undefined} */
      const row = await finished(feeds.get(feed));
      if (!row) return;
      if (anew) await forgetItems(items, feed);
      feeds.put({ ...row, stretch: row.stretch && !anew ? joined(row.stretch, stretch) : stretch });
      for (const item of kept) {
        /** @type {Item | undefined} */
        const there = await finished(items.get([feed, item.id]));
        if (there && there.last > item.last) continue;
        if (there && there.last === item.last && there.first <= item.first) continue;
        items.put({ ...item, feed, first: Math.min(there?.first ?? item.first, item.first) });
      }
    });
  }

  /** Remember up to where somebody has read; never back. @param {string} feed @param {number} position */
  async saveRead(feed, position) {
    await this.#change(["feeds"], async ([feeds]) => {
      /** @type {FeedRow | undefined} */
      const row = await finished(feeds.get(feed));
      if (row && (row.read ?? -1) < position) feeds.put({ ...row, read: position });
    });
  }

  /** @returns {Promise<any[]>} */
  mails() {
    return this.#all("mails");
  }

  /** @param {any[]} changed @param {string[]} gone */
  async saveMails(changed, gone) {
    await this.#change(["mails"], async ([mails]) => {
      for (const mail of changed) mails.put(mail);
      for (const id of gone) mails.delete(id);
    });
  }

  /** @returns {Promise<Action[]>} */
  actions() {
    return this.#all("actions");
  }

  /** Write an action down, or what has become of it; `expected` is the state in which it must be for that. @param {Action} action @param {string} [expected] @returns {Promise<boolean>} whether it was */
  async saveAction(action, expected) {
    let saved = true;
    await this.#change(["actions"], async ([actions]) => {
      const there = expected && /** @type {Action | undefined} */ (await finished(actions.get(action.key)));
      saved = !expected || Boolean(there && there.state === expected);
      if (saved) actions.put(action);
    });
    return saved;
  }

  /** @param {string} key */
  async dropAction(key) {
    await this.#change(["actions"], async ([actions]) => void actions.delete(key));
  }

  /** @param {string} key @returns {Promise<any>} */
  note(key) {
    return finished(this.database.transaction("notes").objectStore("notes").get(key));
  }

  /** @param {string} key @param {any} value undefined removes it */
  async saveNote(key, value) {
    await this.#change(["notes"], async ([notes]) => void (value === undefined ? notes.delete(key) : notes.put(value, key)));
  }

  /** Remove everything of the mailbox, and leave the feeds. */
  async forgetMail() {
    await this.#change(["mails", "actions", "notes"], async (stores) => stores.forEach((store) => store.clear()));
  }

  /** Remove everything. */
  async destroy() {
    this.database.close();
    await finished(indexedDB.deleteDatabase(this.name));
  }

  /** @param {string} name @returns {Promise<any[]>} */
  #all(name) {
    return finished(this.database.transaction(name).objectStore(name).getAll());
  }

  /** @param {string[]} names @param {(stores: IDBObjectStore[]) => Promise<void>} work */
  async #change(names, work) {
    const transaction = this.database.transaction(names, "readwrite");
    const done = new Promise((resolve, reject) => {
      transaction.oncomplete = () => resolve(undefined);
      transaction.onabort = () => reject(transaction.error);
    });
    await work(names.map((name) => transaction.objectStore(name)));
    await done;
  }
}

/** @param {IDBObjectStore} items @param {string} feed */
async function forgetItems(items, feed) {
  for (const key of await finished(items.index("feed").getAllKeys(feed))) items.delete(key);
}

/** @template Result @param {IDBRequest<Result>} request @returns {Promise<Result>} */
function finished(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
