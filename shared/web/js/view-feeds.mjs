// The view of feeds: which there are, and what is said in one of them.

import { firstWords } from "./bodies.mjs";
import { arrange, el, fill, moveByArrows } from "./dom.mjs";
import { isMine } from "./feeds.mjs";
import { counted, dayOf } from "./time-words.mjs";
import { avatar, refreshTimes, showMessage, time } from "./view-message.mjs";

/** @typedef {import("./feeds.mjs").Feed} Feed @typedef {import("./feeds.mjs").Feeds} Feeds @typedef {import("./feed-log.mjs").Item} Item */

const TOGETHER = 5 * 60_000;
const AT_THE_END = 80;

export class FeedsView {
  /** @param {{ feeds: Feeds, isOnline: () => boolean }} told */
  constructor({ feeds, isOnline }) {
    this.feeds = feeds;
    this.isOnline = isOnline;
    /** @type {string | null} */
    this.openId = null;
    /** @type {Map<string, { element: HTMLElement, state: string }>} */
    this.shown = new Map();
    /** @type {Map<string, { element: HTMLElement, state: string }>} */
    this.listed = new Map();
    this.list = el("ul", { class: "rows" });
    this.side = el("nav", { class: "side", "aria-label": "Feeds" }, this.list);
    this.title = el("h1", { tabindex: "-1" });
    this.sub = el("p", { class: "sub" });
    this.older = el("button", { type: "button", class: "quiet older", onclick: () => this.#showOlder() }, "Show older messages");
    this.messages = el("ol", { class: "messages", "aria-label": "Messages" });
    this.hint = el("p", { class: "empty" });
    this.scroller = el("div", { class: "scroller", tabindex: "0", role: "region", "aria-label": "Messages", onscroll: () => this.#scrolled() }, this.older, this.hint, this.messages);
    this.jump = el("button", { type: "button", class: "jump", hidden: true, onclick: () => this.#toEnd() });
    this.main = el("section", { class: "reading", "aria-label": "Feed" }, el("header", {}, el("a", { class: "back", href: "#/feeds" }, "All feeds"), el("div", {}, this.title, this.sub)), this.scroller, this.jump);
    this.element = el("div", { class: "split" }, this.side, this.main);
    moveByArrows(this.list, "a");
    moveByArrows(this.messages, "li[data-id]");
    this.unseen = 0;
    this.wasAtEnd = true;
    this.visible = false;
    feeds.changed.on((id) => this.visible && this.render(id));
    feeds.arrived.on(({ feed, effects, how }) => this.#arrived(feed, effects, how));
  }

  /** Show one feed, or on a phone the list of them. @param {string | null} id */
  show(id) {
    this.visible = true;
    const other = id !== this.openId;
    this.openId = id;
    this.element.classList.toggle("opened", Boolean(id));
    if (other) {
      this.shown.clear();
      this.messages.replaceChildren();
      this.unseen = 0;
      const feed = this.open;
      if (feed) feed.newSince ??= feed.unread(this.feeds.myId) ? (feed.read ?? null) : null;
      this.wasAtEnd = true;
    }
    this.render();
    if (other && this.openId) {
      this.feeds.resume(this.openId);
      this.#toBeginningOfNew();
    }
  }

  hide() {
    this.visible = false;
    if (this.open) this.open.newSince = null;
    this.openId = null;
  }

  /** Nobody can follow what happens from now on: what comes until they are back goes below a line. */
  leave() {
    if (this.open) this.open.leftAt = this.open.read ?? null;
  }

  /** @returns {Feed | undefined} */
  get open() {
    return this.openId ? this.feeds.all.get(this.openId) : undefined;
  }

  /** @param {string} [about] */
  render(about) {
    this.#renderList();
    if (!about || about === this.openId) this.#renderFeed();
  }

  /** Keep times true, without touching anything else. @param {number} now */
  tick(now) {
    refreshTimes(this.element, now);
  }

  /** Whether somebody is looking at the end of this feed right now. @param {string} id */
  isWatching(id) {
    return this.visible && this.openId === id && this.wasAtEnd && document.visibilityState === "visible";
  }

  #renderList() {
    const now = Date.now();
    const rows = this.feeds.inOrder().map((feed) => {
      const unread = feed.unread(this.feeds.myId);
      const last = feed.log.inOrder().at(-1);
      const state = JSON.stringify([feed.title, feed.place, unread, last?.last, last?.at, feed.id === this.openId]);
      return this.#kept(this.listed, feed.id, state, () => this.#row(feed, last, unread, now));
    });
    forgetOthers(this.listed, new Set(this.feeds.all.keys()));
    arrange(this.list, rows);
    this.side.classList.toggle("none", rows.length === 0);
    if (!rows.length) {
      const words = this.feeds.listed ? "No feed yet that you may see. As soon as somebody writes in a channel or chat that you are in, it is here." : this.isOnline() ? "Looking for your feeds…" : "You are offline, and nothing has been kept here yet.";
      arrange(this.list, [el("li", { class: "empty" }, words)]);
    }
  }

  /** @param {Feed} feed @param {Item | undefined} last @param {number} unread @param {number} now */
  #row(feed, last, unread, now) {
    const words = last ? (last.deleted ? "A message was deleted" : `${last.by ? `${last.by.split(" ")[0]}: ` : ""}${last.content?.subject || firstWords(last.content?.body, 90) || "…"}`) : "Nothing yet";
    return el(
      "li",
      {},
      el(
        "a",
        { href: `#/feeds/${feed.id}`, class: unread ? "row unread" : "row", "aria-current": feed.id === this.openId ? "true" : null },
        sign(feed),
        el("span", { class: "row-top" }, el("span", { class: "row-title" }, feed.title), last && time(last.at, now)),
        el("span", { class: "row-words" }, words),
        el("span", { class: "row-kind" }, feed.place),
        unread > 0 && el("span", { class: "count" }, String(unread), el("span", { class: "unseen" }, " unread")),
      ),
    );
  }

  #renderFeed() {
    const feed = this.open;
    if (!feed) {
      this.title.textContent = this.openId ? "Not found" : "Feeds";
      this.sub.textContent = "";
      this.older.hidden = true;
      this.hint.textContent = this.openId && this.feeds.listed ? "There is no such feed, or you are not in it (any more)." : this.openId ? "Opening…" : "Choose a feed to read it.";
      this.hint.hidden = false;
      arrange(this.messages, []);
      return;
    }
    const [atEnd, line] = [this.wasAtEnd, this.messages.querySelector(".new")];
    const items = feed.log.inOrder();
    if (this.title.textContent !== feed.title) this.title.textContent = feed.title;
    this.sub.textContent = feed.problem || `${feed.place} · ${counted(items.length, "message")}${feed.log.hasOlder ? " here, more on the server" : ""}`;
    this.older.hidden = !feed.log.hasOlder;
    this.hint.hidden = items.length > 0;
    this.hint.textContent = feed.isKnown ? "Nothing has been said here yet." : this.isOnline() ? "Opening…" : "You are offline, and this feed has not been opened here before.";
    arrange(this.messages, this.#rows(feed, items));
    forgetOthers(this.shown, new Set(items.map((item) => item.id)));
    if (atEnd && this.messages.querySelector(".new") !== line) this.#toBeginningOfNew();
    else if (atEnd) this.#toEnd();
    if (this.isWatching(feed.id)) this.feeds.markRead(feed.id);
  }

  /** @param {Feed} feed @param {Item[]} items */
  #rows(feed, items) {
    const now = Date.now();
    const rows = [];
    let [day, lined] = ["", feed.newSince === null];
    /** @type {Item | null} */
    let before = null;
    for (const item of items) {
      const today = dayOf(item.at, now);
      if (today !== day) rows.push(this.#kept(this.shown, `day ${today}`, today, () => el("li", { class: "day" }, el("span", {}, today))));
      const fresh = !lined && item.first > (feed.newSince ?? 0) && !isMine(item, this.feeds.myId);
      if (fresh) {
        rows.push(this.#kept(this.shown, "new", String(feed.newSince), () => el("li", { class: "new" }, el("span", {}, "New since you were here"))));
        lined = true;
      }
      const follows = !fresh && today === day && before !== null && before.by === item.by && !item.content?.replyToId && !item.content?.subject && Date.parse(item.at) - Date.parse(before.at) < TOGETHER;
      const parent = item.content?.replyToId ? feed.log.items.get(item.content.replyToId) : undefined;
      const state = JSON.stringify([item.last, follows, parent?.last]);
      rows.push(this.#kept(this.shown, item.id, state, () => showMessage(item, { now, mine: isMine(item, this.feeds.myId), follows, parent })));
      [day, before] = [today, item];
    }
    return rows;
  }

  /** Take the element that was made for this before, if it still tells the truth. @param {Map<string, { element: HTMLElement, state: string }>} kept @param {string} id @param {string} state @param {() => HTMLElement} make */
  #kept(kept, id, state, make) {
    const known = kept.get(id);
    if (known?.state === state) return known.element;
    const element = make();
    if (known?.element.contains(document.activeElement)) queueMicrotask(() => /** @type {HTMLElement} */ (element.querySelector("a, button") ?? element).focus());
    kept.set(id, { element, state });
    return element;
  }

  /** @param {Feed} feed @param {import("./feed-log.mjs").Effect[]} effects @param {string} how */
  #arrived(feed, effects, how) {
    const added = effects.filter((effect) => effect.kind === "added" && !isMine(effect.item, this.feeds.myId)).length;
    if (feed.id !== this.openId || !added) return;
    if (how === "caught up" && feed.leftAt !== null) [feed.newSince, feed.leftAt] = [feed.leftAt, null];
    if (this.isWatching(feed.id)) return;
    feed.newSince ??= feed.read ?? null;
    if (this.wasAtEnd) return;
    this.unseen += added;
    fill(this.jump, `${counted(this.unseen, "new message")} ↓`);
    this.jump.hidden = false;
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    this.wasAtEnd = scrollHeight - scrollTop - clientHeight < AT_THE_END;
    if (!this.wasAtEnd) return;
    this.unseen = 0;
    this.jump.hidden = true;
    if (this.open && this.isWatching(this.open.id)) this.feeds.markRead(this.open.id);
  }

  #toEnd() {
    this.scroller.scrollTop = this.scroller.scrollHeight;
    this.wasAtEnd = true;
    this.unseen = 0;
    this.jump.hidden = true;
  }

  #toBeginningOfNew() {
    const line = this.messages.querySelector(".new");
    if (!line) return this.#toEnd();
    this.#toEnd();
    const hidden = this.scroller.getBoundingClientRect().top - line.getBoundingClientRect().top;
    if (hidden > 0) this.scroller.scrollTop -= hidden;
    this.#scrolled();
  }

  async #showOlder() {
    const feed = this.open;
    if (!feed?.sync) return;
    const below = this.scroller.scrollHeight - this.scroller.scrollTop;
    this.wasAtEnd = false;
    this.older.disabled = true;
    try {
      await feed.sync.older();
      feed.problem = "";
    } catch (problem) {
      feed.problem = /** @type {Error} */ (problem).message;
      this.render(feed.id);
    }
    this.older.disabled = false;
    this.scroller.scrollTop = this.scroller.scrollHeight - below;
  }
}

/** What stands for a feed: its kind, or in a chat somebody who is in it. @param {Feed} feed */
function sign(feed) {
  const { kind } = feed.summary;
  if (kind === "chat") return avatar(feed.log.inOrder().find((item) => item.by)?.by ?? "");
  return el("span", { class: "avatar sign", "aria-hidden": "true" }, kind === "channel" ? "#" : "✉");
}

/** @param {Map<string, any>} kept @param {Set<string>} wanted */
function forgetOthers(kept, wanted) {
  for (const id of kept.keys()) if (!wanted.has(id) && !id.startsWith("day ") && id !== "new") kept.delete(id);
}