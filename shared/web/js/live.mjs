// Holds the live connection: negotiates, connects, renews what it may hear, and comes back when it was lost.
//
// Nothing is promised here but speed. Whoever comes back calls `onOpen`, and what was missed is fetched from the API.

/**
 * @typedef {"starting" | "connecting" | "live" | "reconnecting" | "offline" | "asking" | "stopped"} State
 * @typedef {{ url: string, accessToken: string, renewAfter: number, refused?: string[] }} Granted
 * @typedef {{ stop(): Promise<void>, closed: Promise<void> }} Connection
 */

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 20_000;
const WITHOUT_LIVE = 60_000;
const SHORTEST_RENEWAL = 5_000;

export class Live {
  /**
   * @param {object} told
   * @param {(feeds: string[]) => Promise<Granted>} told.negotiate
   * @param {(url: string, token: () => string) => Promise<Connection>} told.connect
   * @param {() => void} told.onOpen the connection is there: fetch what was missed
   * @param {(state: State) => void} told.onState
   * @param {() => boolean} told.isOnline
   * @param {() => number} [told.random]
   */
  constructor({ negotiate, connect, onOpen, onState, isOnline, random = Math.random }) {
    this.negotiate = negotiate;
    this.connect = connect;
    this.onOpen = onOpen;
    this.onState = onState;
    this.isOnline = isOnline;
    this.random = random;
    /** @type {string[]} */
    this.feeds = [];
    this.token = "";
    this.stopped = false;
    /** @type {State} */
    this.state = "starting";
    this.wake = () => {};
    /** @type {Connection | null} */
    this.connection = null;
  }

  /** Begin, and go on until `stop`. @param {string[]} feeds */
  async run(feeds) {
    this.feeds = feeds;
    for (let failures = 0; !this.stopped; failures += 1) {
      if (!this.isOnline()) {
        this.#be("offline");
        await this.#pause(LONGEST_PAUSE);
        failures = -1;
        continue;
      }
      this.#be(failures || this.state !== "starting" ? "reconnecting" : "connecting");
      const outcome = await this.#once();
      if (outcome === "was open") failures = -1;
      if (this.stopped) break;
      if (outcome === "not here") this.#be("asking");
      const pause = outcome === "not here" ? WITHOUT_LIVE : Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** Math.min(failures + 1, 10));
      await this.#pause(pause * (0.75 + this.random() / 2));
    }
    this.#be("stopped");
  }

  /** Hear other feeds from now on. @param {string[]} feeds */
  hear(feeds) {
    if (feeds.join() === this.feeds.join()) return;
    this.feeds = feeds;
    this.wake();
  }

  /** Look at the network again, now: it came, went, or the computer woke up. */
  async lookAgain() {
    if (!this.isOnline()) await this.connection?.stop().catch(() => undefined);
    this.wake();
  }

  async stop() {
    this.stopped = true;
    await this.connection?.stop().catch(() => undefined);
    this.wake();
  }

  /** @returns {Promise<"was open" | "failed" | "not here">} */
  async #once() {
    let opened = false;
    try {
      let asked = this.feeds;
      let granted = await this.negotiate(asked);
      this.token = granted.accessToken;
      const connection = await this.connect(granted.url, () => this.token);
      this.connection = connection;
      let open = true;
      connection.closed.then(() => {
        open = false;
        this.wake();
      });
      opened = true;
      this.#be("live");
      this.onOpen();
      let failures = 0;
      while (open && !this.stopped && this.isOnline()) {
        const pause = failures ? Math.min(LONGEST_PAUSE, SHORTEST_RENEWAL * failures) : granted.renewAfter * 1000;
        if (asked === this.feeds || failures) await this.#pause(Math.max(SHORTEST_RENEWAL, pause));
        if (!open || this.stopped || !this.isOnline()) break;
        try {
          asked = this.feeds;
          granted = await this.negotiate(asked);
          this.token = granted.accessToken;
          if (failures) this.onOpen(); // for a while nothing may have been for us
          failures = 0;
        } catch {
          failures += 1;
        }
      }
      await connection.stop().catch(() => undefined);
    } catch (problem) {
      const status = /** @type {{ status?: number }} */ (problem)?.status;
      if (status === 404 || status === 501) return "not here"; // this app has no live part
    } finally {
      this.connection = null;
    }
    return opened ? "was open" : "failed";
  }

  /** @param {number} milliseconds */
  #pause(milliseconds) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.wake = () => {
        clearTimeout(timer);
        resolve(undefined);
      };
    });
  }

  /** @param {State} state */
  #be(state) {
    if (state === this.state) return;
    this.state = state;
    this.onState(state);
  }
}

/**
 * Connect with Microsoft's client.
 * @param {typeof import("@microsoft/signalr")} signalR
 * @param {Record<string, (message: any) => void>} targets
 * @returns {(url: string, token: () => string) => Promise<Connection>}
 */
export function connectWith(signalR, targets) {
  return async (url, token) => {
    const connection = new signalR.HubConnectionBuilder()
      .withUrl(url, { accessTokenFactory: token })
      .configureLogging(signalR.LogLevel.None)
      .build();
    for (const [target, listener] of Object.entries(targets)) connection.on(target, listener);
    /** @type {Promise<void>} */
    const closed = new Promise((resolve) => connection.onclose(() => resolve()));
    await connection.start();
    return { stop: () => connection.stop(), closed };
  };
}
