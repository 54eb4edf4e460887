// All feeds of the signed-in person: which there are, what is known of each, what has not been read. Told by the API and by live
// messages, kept in the store.

import { FeedLog } from "./feed-log.mjs";
import { FeedSync } from "./feed-sync.mjs";
import { Teller } from "./teller.mjs";

/**
 * @typedef {import("./api.mjs").Api} Api @typedef {import("./store.mjs").Store} Store
 * @typedef {import("./feed-log.mjs").Item} Item @typedef {import("./feed-log.mjs").Effect} Effect
 * @typedef {{ id: string, resource: string, kind: string, title?: string | null, team?: string | null }} Summary
 */

const AT_ONCE = 4;
/** As many as one negotiation may name. */
export const MOST_HEARD = 100;

export class Feed {
  /** @param {Summary} summary @param {FeedLog} log @param {number | undefined} read */
  constructor(summary, log, read) {
    this.summary = summary;
    this.log = log;
    /** Up to where it has been read; undefined while nobody has ever looked. */
    this.read = read;
    /** What has come since a person was last here: the position before it, for the line on the screen. @type {number | null} */
    this.newSince = null;
    /** The same, from the moment at which somebody went away until it is known whether anything came. @type {number | null} */
    this.leftAt = null;
    this.problem = "";
    /** @type {FeedSync | null} */
    this.sync = null;
  }

  get id() {
    return this.summary.id;
  }

  /** Whether it has been looked at at all, here. */
  get isKnown() {
    return this.log.stretch !== null;
  }

  /** How many messages of others came since it was last read. @param {string} myId */
  unread(myId) {
    const read = this.read ?? Infinity;
    return this.log.inOrder().filter((item) => item.first > read && !item.deleted && !isMine(item, myId)).length;
  }

  /** What the feed is called: as the server says, else by who writes there, those first who did first: then it keeps its name. */
  get title() {
    if (this.summary.title) return this.summary.title;
    if (this.summary.kind.startsWith("mail")) return "My mail"; // nobody sees another's
    const people = [...new Set(this.log.inOrder().map((item) => item.by).filter(Boolean))];
    const [first, second, ...others] = people.length > 1 ? people.map((name) => name.split(" ")[0]) : people;
    if (!first) return capital(this.summary.kind);
    if (others.length) return `${first}, ${second} and ${others.length} more`;
    return second ? `${first} and ${second}` : first;
  }

  /** What kind of thing it is, and where: "Channel in Sales". */
  get place() {
    const { kind, team } = this.summary;
    return team ? `${capital(kind)} in ${team}` : capital(kind);
  }

  /** When something last happened here. */
  get latest() {
    return this.log.inOrder().at(-1)?.at ?? "";
  }
}

export class Feeds {
  /** @param {{ api: Api, store: Store, myId: string }} told */
  constructor({ api, store, myId }) {
    this.api = api;
    this.store = store;
    this.myId = myId;
    /** @type {Map<string, Feed>} */
    this.all = new Map();
    /** Whether the server has said which there are, since the page was opened. */
    this.listed = false;
    /** Something about a feed has changed; about is its id, or nothing for all of them. */
    this.changed = new Teller();
    /** Somebody wrote: `{ feed, effects, how }`, for those who announce. */
    this.arrived = new Teller();
  }

  /** Take up what was kept. */
  async open() {
    for (const row of await this.store.feeds()) {
      const log = new FeedLog(row.stretch ?? null, row.stretch ? await this.store.items(row.id) : []);
      this.#add(row, log, row.read);
    }
    this.changed.tell();
  }

  /** Ask which feeds there are, and what came in each. @param {string} [first] the one that somebody is waiting for */
  async refresh(first) {
    const { feeds } = /** @type {{ feeds: Summary[] }} */ (await this.api.watch("/feeds"));
    this.listed = true;
    const wanted = new Set(feeds.map((each) => each.id));
    for (const id of [...this.all.keys()]) if (!wanted.has(id)) this.all.delete(id);
    for (const summary of feeds) {
      const known = this.all.get(summary.id);
      // a name that the server does not know right now is still the one that it was
      if (known) known.summary = { ...summary, title: summary.title ?? known.summary.title, team: summary.team ?? known.summary.team };
      else this.#add(summary, new FeedLog(), undefined);
    }
    await this.store.saveFeeds([...this.all.values()].map((feed) => feed.summary));
    this.changed.tell();
    const order = [...wanted].sort((one, other) => Number(other === first) - Number(one === first));
    await eachOf(order.slice(0, MOST_HEARD), AT_ONCE, (id) => this.resume(id));
  }

  /** Fetch what came in one feed. Failing is no harm: it will be asked again. @param {string} id */
  async resume(id) {
    const feed = this.all.get(id);
    if (!feed?.sync) return;
    try {
      await feed.sync.resume();
      feed.problem = "";
    } catch (problem) {
      const said = /** @type {import("./api.mjs").Refusal} */ (problem);
      feed.problem = said.unreached ? "" : said.message;
    }
    this.changed.tell(id);
  }

  /** @param {{ feed: string, position: number, change?: any }} message */
  hear(message) {
    const feed = this.all.get(message.feed);
    if (feed) feed.sync?.hear(message);
    else this.refresh().catch(() => undefined);
  }

  /** The feeds to be heard, the latest first. */
  get ids() {
    return [...this.all.keys()].slice(0, MOST_HEARD);
  }

  /** In the order in which people look for them: where something happened last. */
  inOrder() {
    return [...this.all.values()].sort((one, other) => Date.parse(other.latest || "1970") - Date.parse(one.latest || "1970") || one.id.localeCompare(other.id));
  }

  /** Somebody has seen everything that is known of a feed. @param {string} id */
  async markRead(id) {
    const feed = this.all.get(id);
    const high = feed?.log.stretch?.high;
    if (!feed || high === undefined || (feed.read ?? -1) >= high) return;
    feed.read = high;
    await this.store.saveRead(id, high);
    this.changed.tell(id);
  }

  /** Another tab has read or kept something. @param {string} id @param {number} read */
  learnRead(id, read) {
    const feed = this.all.get(id);
    if (!feed || (feed.read ?? -1) >= read) return;
    feed.read = read;
    this.changed.tell(id);
  }

  /** How many messages have not been read, in all feeds. */
  get unread() {
    return [...this.all.values()].reduce((sum, feed) => sum + feed.unread(this.myId), 0);
  }

  /** @param {Summary} summary @param {FeedLog} log @param {number | undefined} read */
  #add(summary, log, read) {
    const feed = new Feed(summary, log, read);
    feed.sync = new FeedSync({
      log,
      fetchPage: async (question) => {
        const query = new URLSearchParams(Object.entries(question).map(([name, value]) => [name, String(value)]));
        return (await this.api.ask("GET", `/feeds/${summary.id}?${query}`)).changes;
      },
      onEffects: (effects, how) => this.#take(feed, effects, how),
    });
    this.all.set(feed.id, feed);
  }

  /** @param {Feed} feed @param {Effect[]} effects @param {"live" | "caught up" | "begun" | "older"} how */
  #take(feed, effects, how) {
    if (how === "begun") feed.read = feed.log.stretch?.high ?? 0; // what was there before anybody looked is not news
    if (effects.length || how === "older") {
      const kept = this.store.saveLog(feed.id, feed.log, how === "begun");
      if (how === "begun") kept.then(() => this.store.saveRead(feed.id, feed.read ?? 0)).catch(() => undefined);
      kept.catch(() => undefined); // a full disk is no reason not to show it
    }
    if (how !== "begun" && how !== "older" && effects.length) this.arrived.tell({ feed, effects, how });
    this.changed.tell(feed.id);
  }
}

/** Whether somebody wrote this themselves. @param {Item} item @param {string} myId */
export function isMine(item, myId) {
  return String(item.content?.from?.user?.id ?? "").toLowerCase() === myId;
}

/** @param {string} text */
function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Do something for each of many, a few at a time. @template Each @param {Each[]} all @param {number} atOnce @param {(each: Each) => Promise<void>} work */
async function eachOf(all, atOnce, work) {
  const waiting = [...all];
  const worker = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await work(next);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}
