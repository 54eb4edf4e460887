// Keeps one feed's log up with the server: begins, follows, closes gaps, goes back in time. One request at a time.
//
// Live messages come in through `hear` whenever they like; what they show to be missing is fetched. What was missed while
// nobody listened is fetched by `resume`, from the last known change on, that one included: if it is no longer there, the
// log is another one (a server set up anew), and reading begins again.

import { FeedLog } from "./feed-log.mjs";

/** @typedef {import("./feed-log.mjs").Change} Change @typedef {import("./feed-log.mjs").Effect} Effect */

/** @typedef {{ after?: number, before?: number, top: number }} Question */

const PAGE = 200;
const FIRST_PAGE = 50;

export class FeedSync {
  /**
   * @param {object} told
   * @param {FeedLog} [told.log]
   * @param {(question: Question) => Promise<Change[]>} told.fetchPage
   * @param {(effects: Effect[], how: "live" | "caught up" | "begun" | "older") => void} told.onEffects
   */
  constructor({ log = new FeedLog(), fetchPage, onEffects }) {
    this.log = log;
    this.fetchPage = fetchPage;
    this.onEffects = onEffects;
    /** @type {Promise<void> | null} */
    this.running = null;
    this.wanted = false;
  }

  /**
   * Take a live message; fetches by itself what it shows to be missing.
   * @param {{ position: number, change?: Change | null }} message
   */
  hear({ position, change }) {
    const effects = this.log.hear(position, change ?? null);
    if (effects.length) this.onEffects(effects, "live");
    if (this.log.behind || this.log.stretch === null) this.resume().catch(() => undefined); // whoever resumes next tries again
  }

  /** Fetch what came after what is known. Whoever calls while it runs gets it run once more, and waits for that. */
  resume() {
    this.wanted = true;
    this.running ??= this.#run().finally(() => {
      this.running = null;
    });
    return this.running;
  }

  /** Fetch a page of what came before. */
  async older() {
    const stretch = this.log.stretch;
    if (!stretch || stretch.low <= 1) return;
    this.log.precede(await this.fetchPage({ before: stretch.low, top: FIRST_PAGE }));
    this.onEffects([], "older");
  }

  async #run() {
    while (this.wanted) {
      this.wanted = false;
      await (this.log.stretch === null ? this.#begin() : this.#follow());
    }
  }

  async #begin() {
    const effects = this.log.begin(await this.fetchPage({ top: FIRST_PAGE }));
    this.onEffects(effects, "begun");
    if (this.log.behind) this.wanted = true;
  }

  async #follow() {
    for (;;) {
      const from = this.log.stretch?.high ?? 0;
      const changes = await this.fetchPage({ after: Math.max(0, from - 1), top: PAGE });
      if (from === this.log.stretch?.high && !this.log.isSameLog(changes)) {
        await this.#begin();
        return;
      }
      const effects = this.log.follow(changes);
      this.onEffects(effects, "caught up");
      // until a page brings nothing new: a server may give less than it was asked for. What was told of and is not there yet
      // will be told of again, or found by the next look
      if (this.log.stretch?.high === from) return;
    }
  }
}
