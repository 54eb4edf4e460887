// Starts the page and holds its parts together: who is signed in, what is shown, what is live, what other tabs say.

import { Api, Refusal } from "./api.mjs";
import { byId, fill } from "./dom.mjs";
import { Feeds, isMine } from "./feeds.mjs";
import { connectWith, Live } from "./live.mjs";
import { MailApi } from "./mail-api.mjs";
import { Mailbox } from "./mailbox.mjs";
import { Outbox } from "./outbox.mjs";
import { openSignIn } from "./sign-in.mjs";
import { openStore } from "./store.mjs";
import { counted, welcomeBack } from "./time-words.mjs";
import { loadSignalr } from "./vendor.mjs";
import { FeedsView } from "./view-feeds.mjs";
import { MailView } from "./view-mail.mjs";
import { OutboxView } from "./view-outbox.mjs";
import { announce, notice, problemScreen, showAccount, showState, showViews, signInScreen, withdraw } from "./view-shell.mjs";

/** @typedef {import("./sign-in.mjs").SignIn} SignIn @typedef {import("./sign-in.mjs").Account} Account */

const LOOK_WHILE_LIVE = 60_000;
const LOOK_OTHERWISE = 10_000;
const TICK = 20_000;

async function start() {
  installWorker();
  const config = await fetch("/api/app/config.json").then((answer) => answer.json());
  const signIn = await openSignIn(config);
  const main = byId("main");
  if (!signIn.account) return fill(main, signInScreen(() => signIn.signIn()));
  if (!location.hash) history.replaceState(null, "", "#/feeds");
  await new Session(signIn, signIn.account).open();
}

/** The page while one person is signed in. */
class Session {
  /** @param {SignIn} signIn @param {Account} account */
  constructor(signIn, account) {
    this.signIn = signIn;
    this.account = account;
    this.api = new Api({ token: () => signIn.token(), onSignedOut: () => this.#signedOut() });
    this.tabs = new BroadcastChannel(`earshot-${account.id}`);
    this.live = false;
    /** @type {number | null} when this page was last up to date */
    this.lastSeen = null;
  }

  async open() {
    const { api, account } = this;
    const store = await openStore(account.id);
    this.store = store;
    const online = () => navigator.onLine;
    this.feeds = new Feeds({ api, store, myId: account.id });
    const mailApi = new MailApi(api);
    this.outbox = new Outbox({
      store,
      send: (action) => mailApi.send(action),
      onDone: (action) => this.mailbox?.done(action),
      lock: `earshot-outbox-${account.id}`,
      tellTabs: () => this.tabs.postMessage({ outbox: true }),
    });
    this.mailbox = new Mailbox({ api: mailApi, store, outbox: this.outbox });
    this.feedsView = new FeedsView({ feeds: this.feeds, isOnline: online });
    this.mailView = new MailView({ mailbox: this.mailbox, outbox: this.outbox, store, isOnline: online });
    this.outboxView = new OutboxView({ place: byId("outbox"), outbox: this.outbox, isOnline: online });
    showAccount(account, () => this.#signOut());
    this.lastSeen = (await store.note("lastSeen")) ?? null;
    await Promise.all([this.feeds.open(), this.mailbox.open(), this.outbox.open()]);
    this.#listen();
    this.#route();
    await this.#goLive();
  }

  // -- what is shown ------------------------------------------------------------------------------------------------

  #route() {
    const [, view, id] = /^#\/(feeds|mail)(?:\/(.+))?$/.exec(location.hash) ?? [null, "feeds"];
    const { feedsView, mailView } = this;
    if (!feedsView || !mailView) return;
    const chosen = view === "mail" ? mailView : feedsView;
    const other = view === "mail" ? feedsView : mailView;
    other.hide();
    const main = byId("main");
    if (main.firstElementChild !== chosen.element) fill(main, chosen.element);
    chosen.show(id ? decodeURIComponent(id) : null);
    this.#count();
  }

  #count() {
    const view = location.hash.startsWith("#/mail") ? "mail" : "feeds";
    showViews(view, { feeds: this.feeds?.unread ?? 0, mail: this.mailbox?.unread ?? 0 });
  }

  #listen() {
    const { feeds, mailbox } = this;
    window.addEventListener("hashchange", () => {
      this.#route();
      byId("main").focus({ preventScroll: true });
    });
    feeds?.changed.on((id) => {
      this.#count();
      const feed = id && feeds.all.get(id);
      if (feed?.read !== undefined) this.tabs.postMessage({ read: feed.read, feed: id });
      this.liveConnection?.hear(feeds.ids);
    });
    mailbox?.changed.on(() => this.#count());
    feeds?.arrived.on((about) => this.#tellArrival(about));
    mailbox?.arrived.on((mail) => announce(`New mail from ${mail.from || "somebody"}: ${mail.subject || "no subject"}`));
    this.tabs.onmessage = ({ data }) => {
      if (data.outbox) this.outbox?.reload().then(() => this.outbox?.kick());
      if (data.mail) mailbox?.reload();
      if (data.feed) feeds?.learnRead(data.feed, data.read);
      if (data.signedOut) location.reload();
    };
    mailbox?.kept.on(() => this.tabs.postMessage({ mail: true }));
    for (const event of ["online", "offline"]) window.addEventListener(event, () => this.#networkChanged());
    document.addEventListener("visibilitychange", () => this.#visibilityChanged());
    setInterval(() => this.#tick(), TICK);
  }

  /** @param {{ feed: import("./feeds.mjs").Feed, effects: import("./feed-log.mjs").Effect[], how: string }} about */
  #tellArrival({ feed, effects, how }) {
    const added = effects.filter((effect) => effect.kind === "added" && !isMine(effect.item, this.account.id));
    if (!added.length) return;
    if (how === "caught up" && this.away) {
      this.away.count += added.length;
      const words = welcomeBack(this.away.for, this.away.count);
      if (words) notice("away", words);
      return;
    }
    if (feed.summary.kind.startsWith("mail") && this.mailbox?.isConnected) return; // the mailbox tells of it itself
    const [last] = added.slice(-1);
    announce(added.length === 1 ? `${last.item.by || "Somebody"} wrote in ${feed.title}` : `${counted(added.length, "new message")} in ${feed.title}`);
  }

  // -- what is live -------------------------------------------------------------------------------------------------

  async #goLive() {
    const { api, feeds, mailbox } = this;
    if (!feeds || !mailbox) return;
    this.#measureAbsence();
    showState(navigator.onLine ? "connecting" : "offline");
    const listing = this.#refresh();
    const signalR = await loadSignalr().catch(() => null);
    await listing;
    const connect = signalR
      ? connectWith(signalR, { feed: (message) => feeds.hear(message), mail: (message) => mailbox.hear(message) })
      : () => Promise.reject(new Error("the client for live updates did not load"));
    this.liveConnection = new Live({
      negotiate: (wanted) => api.ask("POST", "/negotiate", { body: { feeds: wanted } }),
      connect,
      onOpen: () => this.#refresh(),
      onState: (state) => this.#liveState(state),
      isOnline: () => navigator.onLine,
    });
    this.liveConnection.run(feeds.ids);
    this.#lookAgainLater();
  }

  /** @param {import("./live.mjs").State} state */
  #liveState(state) {
    this.live = state === "live";
    if (!this.live) this.#measureAbsence();
    showState(state);
    this.outboxView?.render();
  }

  /** Begin to count from when this page was last up to date: what comes from now on came while nobody looked. */
  #measureAbsence() {
    if (this.absentSince !== undefined) return;
    this.absentSince = this.lastSeen ?? Date.now();
    this.feedsView?.leave();
  }

  /** Fetch what is new everywhere. */
  async #refresh() {
    this.away = this.absentSince === undefined ? undefined : { for: Date.now() - this.absentSince, count: 0 };
    try {
      const open = this.feedsView?.openId ?? undefined;
      await Promise.all([this.feeds?.refresh(open), this.mailbox?.refresh()]);
      withdraw("problem");
      this.absentSince = this.live ? undefined : this.absentSince;
      await this.#seen();
    } catch (problem) {
      if (problem instanceof Refusal && !problem.unreached && problem.status !== 401) notice("problem", `The server could not be asked: ${problem.message}`);
    }
    this.away = undefined;
    this.outbox?.kick();
  }

  async #seen() {
    this.lastSeen = Date.now();
    await this.store?.saveNote("lastSeen", this.lastSeen);
  }

  #lookAgainLater() {
    const pause = this.live ? LOOK_WHILE_LIVE : LOOK_OTHERWISE;
    setTimeout(async () => {
      if (document.visibilityState === "visible" && navigator.onLine) await this.#refresh();
      this.#lookAgainLater();
    }, pause);
  }

  #networkChanged() {
    if (!navigator.onLine) showState("offline");
    this.liveConnection?.lookAgain();
    this.feedsView?.render();
    this.mailView?.render();
    this.outboxView?.render();
    if (navigator.onLine) this.#refresh();
  }

  #visibilityChanged() {
    if (document.visibilityState === "visible") {
      this.liveConnection?.lookAgain();
      this.feedsView?.render();
      if (!this.live) this.#refresh();
    } else if (this.live) this.#seen();
  }

  #tick() {
    const now = Date.now();
    this.feedsView?.tick(now);
    this.mailView?.tick(now);
    if (this.live && document.visibilityState === "visible") this.#seen();
  }

  // -- leaving ------------------------------------------------------------------------------------------------------

  #signedOut() {
    notice("signed-out", "You were signed out. What is kept here stays readable; sign in again for what is new.", { label: "Sign in", act: () => this.signIn.signIn() });
  }

  async #signOut() {
    const waiting = this.outbox?.actions.length ?? 0;
    if (waiting && !confirm(`${counted(waiting, "action")} not sent yet will be lost. Sign out?`)) return;
    this.tabs.postMessage({ signedOut: true });
    await this.liveConnection?.stop();
    await this.store?.destroy();
    await this.signIn.signOut();
  }
}

/** Have the browser keep the page itself; where it does not want to, the page needs a network to open. */
function installWorker() {
  if (!("serviceWorker" in navigator)) return;
  const address = "/api/app/worker.js";
  const trusted = /** @type {any} */ (globalThis).trustedTypes?.createPolicy("earshot", { createScriptURL: () => address });
  const wasControlled = Boolean(navigator.serviceWorker.controller);
  navigator.serviceWorker.register(trusted ? trusted.createScriptURL("") : address, { scope: "/api/app" }).catch(() => undefined);
  navigator.serviceWorker.addEventListener("controllerchange", () => {
    if (wasControlled) notice("version", "There is a newer version of this page.", { label: "Reload", act: () => location.reload() });
  });
}

start().catch((problem) => {
  console.error(problem);
  fill(byId("main"), problemScreen("This did not work", `The page could not start: ${problem.message}`, { label: "Try again", act: () => location.reload() }));
});
