// Sends what a person asked for, as the queue in `actions.mjs` decides: now, when the network is back, or when it is tried again.
//
// The queue is in the store, and a lock that all tabs share lets one of them send; the others are told what became of it.

import { after, again, began, inOrder, newAction, nextAction, orphans, pauseBefore } from "./actions.mjs";
import { Teller } from "./teller.mjs";

/** @typedef {import("./actions.mjs").Action} Action @typedef {import("./actions.mjs").Result} Result */

export class Outbox {
  /**
   * @param {object} told
   * @param {import("./store.mjs").Store} told.store
   * @param {(action: Action) => Promise<Result>} told.send
   * @param {(action: Action) => void} told.onDone
   * @param {string} told.lock
   * @param {() => void} told.tellTabs
   */
  constructor({ store, send, onDone, lock, tellTabs }) {
    this.store = store;
    this.send = send;
    this.onDone = onDone;
    this.lock = lock;
    this.tellTabs = tellTabs;
    /** @type {Action[]} */
    this.actions = [];
    this.changed = new Teller();
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
  }

  /** Take up what was left, and go on with it. */
  async open() {
    await this.reload();
    this.kick();
  }

  /** Look at what is kept: another tab may have changed it. */
  async reload() {
    this.actions = inOrder(await this.store.actions());
    this.changed.tell();
  }

  /** @param {{ kind: import("./actions.mjs").Kind, message: string, subject: string, body?: Record<string, any> }} asked */
  async add(asked) {
    const order = Math.max(Date.now(), 1 + Math.max(0, ...this.actions.map((action) => action.order)));
    await this.store.saveAction(newAction({ ...asked, key: crypto.randomUUID(), order }));
    await this.#tell();
    this.kick();
  }

  /** Try again what was refused or waits. @param {string} key */
  async retry(key) {
    const action = this.actions.find((each) => each.key === key);
    if (!action || action.state === "sending") return;
    await this.store.saveAction(again(action), action.state);
    await this.#tell();
    this.kick();
  }

  /** Let go of something. @param {string} key */
  async discard(key) {
    const action = this.actions.find((each) => each.key === key);
    if (!action || action.state === "sending") return;
    await this.store.dropAction(key);
    await this.#tell();
    this.kick();
  }

  /** Send what may go, if no other tab does. */
  kick() {
    clearTimeout(this.timer);
    navigator.locks
      .request(this.lock, { ifAvailable: true }, (lock) => (lock ? this.#sendAll() : undefined))
      .catch(() => undefined)
      .then(() => this.#comeBack());
  }

  async #sendAll() {
    // whoever holds the lock knows that nobody else is sending: what says so was left by a tab that is gone
    for (const orphan of orphans(await this.store.actions())) await this.store.saveAction(orphan, "sending");
    for (;;) {
      await this.reload();
      const action = navigator.onLine ? nextAction(this.actions, Date.now()) : undefined;
      if (!action) return;
      const sending = began(action);
      if (!(await this.store.saveAction(sending, "waiting"))) continue;
      await this.#tell();
      const left = after(sending, await this.send(sending), Date.now(), Math.random());
      if (left) await this.store.saveAction(left, "sending");
      else {
        this.onDone(sending);
        await this.store.dropAction(sending.key);
      }
      await this.#tell();
    }
  }

  #comeBack() {
    const pause = pauseBefore(this.actions, Date.now());
    if (pause !== undefined && navigator.onLine) this.timer = setTimeout(() => this.kick(), Math.max(500, pause));
  }

  async #tell() {
    await this.reload();
    this.tellTabs();
  }
}
