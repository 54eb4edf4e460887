// The signed-in person's mailbox, as far as this browser knows it: connected or not, folders, mails, and what is foreseen of them
// once everything that was asked for is done.

import { foreseen } from "./actions.mjs";
import { MailList, readMail } from "./mail-list.mjs";
import { Teller } from "./teller.mjs";

/** @typedef {import("./mail-list.mjs").Mail} Mail @typedef {import("./mail-api.mjs").Folder} Folder @typedef {import("./mail-api.mjs").Report} Report */

const CONNECTING_PAUSE = 2_000;
/** Mails, the latest; what is older is fetched again by whoever looks for it. */
const MOST_KEPT = 1_000;

export class Mailbox {
  /** @param {{ api: import("./mail-api.mjs").MailApi, store: import("./store.mjs").Store, outbox: import("./outbox.mjs").Outbox }} told */
  constructor({ api, store, outbox }) {
    this.api = api;
    this.store = store;
    this.outbox = outbox;
    this.list = new MailList();
    /** @type {Folder[]} */
    this.folders = [];
    /** @type {Report | null} null until anybody has said */
    this.report = null;
    /** Whether this app has mail at all. */
    this.isThere = true;
    this.problem = "";
    /** @type {Map<string, string>} where each folder goes on, empty at its end */
    this.next = new Map();
    this.changed = new Teller();
    this.arrived = new Teller();
    this.kept = new Teller();
    outbox.changed.on(() => this.changed.tell());
  }

  /** Take up what was kept. */
  async open() {
    const latestFirst = (await this.store.mails()).sort((one, other) => other.received.localeCompare(one.received));
    this.list = new MailList(latestFirst.slice(0, MOST_KEPT));
    const tooOld = latestFirst.slice(MOST_KEPT).map((mail) => mail.id);
    if (tooOld.length) await this.store.saveMails([], tooOld);
    this.folders = (await this.store.note("folders")) ?? [];
    this.report = (await this.store.note("mailbox")) ?? null;
    this.changed.tell();
  }

  /** Another tab has kept something. */
  async reload() {
    await this.open();
  }

  get isConnected() {
    return this.report?.state === "connected" || this.report?.state === "connecting";
  }

  /** @returns {Folder | undefined} */
  get inbox() {
    return this.folders.find((folder) => folder.role === "inbox");
  }

  /** How many mails in the inbox have not been read. */
  get unread() {
    return this.isConnected && this.inbox ? this.in(this.inbox.id).filter((mail) => !mail.isRead).length : 0;
  }

  /** The mails of a folder as they will be, the latest first. @param {string} folder @returns {Mail[]} */
  in(folder) {
    return this.list.in(folder).flatMap((mail) => foreseen(mail, this.outbox.actions) ?? []);
  }

  /** @param {string} id @returns {Mail | null} */
  get(id) {
    const mail = this.list.mails.get(id);
    return mail ? foreseen(mail, this.outbox.actions) : null;
  }

  /** Ask how the mailbox is, and what is new in it. */
  async refresh() {
    try {
      this.report = await this.api.report();
    } catch (problem) {
      const status = /** @type {{ status?: number }} */ (problem).status;
      if (status !== 404) throw problem;
      this.isThere = false;
      return this.changed.tell();
    }
    this.isThere = true;
    await this.store.saveNote("mailbox", this.report);
    this.changed.tell();
    if (this.report?.state === "connecting") setTimeout(() => this.refresh().catch(() => undefined), CONNECTING_PAUSE);
    if (this.isConnected) await this.#catchUp();
  }

  async connect() {
    await this.#tryTo(async () => {
      this.report = (await this.api.connect()) ?? { state: "connecting", live: false };
      this.changed.tell();
      await this.refresh();
    });
  }

  async disconnect() {
    await this.#tryTo(async () => {
      await this.api.disconnect();
      await this.store.forgetMail();
      await this.open();
      await this.outbox.reload();
      this.report = { state: "none", live: false };
      this.changed.tell();
      this.kept.tell();
    });
  }

  /** Read the first page of a folder, or what comes after the pages that are here. @param {string} folder @param {boolean} [more] */
  async load(folder, more = false) {
    await this.#tryTo(async () => {
      const { age } = this.list;
      const { mails, next } = await this.api.messages(folder, more ? this.next.get(folder) : "");
      if (more || !this.next.has(folder) || mails.length) this.next.set(folder, next);
      const since = next ? (mails.at(-1)?.received ?? "") : "";
      await this.#keep(more ? this.list.take({ mails, folder, age }) : this.list.replace({ mails, folder, age, since }));
    });
  }

  /** Read one mail whole. @param {string} id */
  async loadBody(id) {
    const known = this.list.mails.get(id);
    if (known?.body || !this.isConnected) return;
    await this.#tryTo(async () => {
      const { age } = this.list;
      const mail = await this.api.message(id);
      await this.#keep(this.list.take({ mails: [mail], folder: mail.folder, age }));
    });
  }

  /** @param {{ change: string, id: string, message: any, folder: string }} told */
  hear({ change, id, message, folder }) {
    if (change === "deleted") this.#soon(this.#keep({ gone: this.list.lose([id]) }));
    else if (message) this.#news(this.list.hear([readMail(message, folder)]));
    else this.#soon(this.api.message(id).then((mail) => this.#news(this.list.hear([mail])))); // it was too large to send
  }

  /** What was asked for has happened; the mailbox will say so too, but perhaps later. @param {import("./actions.mjs").Action} action */
  done(action) {
    const mail = this.list.mails.get(action.message);
    if (!mail) return;
    if (action.kind === "read") this.#soon(this.#keep(this.list.hear([{ ...mail, isRead: Boolean(action.body.isRead) }])));
    if (action.kind === "move") this.#soon(this.#keep(this.list.hear([{ ...mail, folder: String(action.body.folder) }])));
    if (action.kind === "delete") this.#soon(this.#keep({ gone: this.list.lose([mail.id]) }));
  }

  async #catchUp() {
    await this.#tryTo(async () => {
      this.folders = await this.api.folders();
      await this.store.saveNote("folders", this.folders);
      if (this.inbox) await this.#follow(this.inbox.id);
    });
  }

  /** Take what changed in the inbox since this browser last asked. @param {string} inbox */
  async #follow(inbox) {
    let token = (await this.store.note("delta")) ?? "";
    const begun = token === "";
    const { age } = this.list;
    /** @type {Mail[]} */
    const all = [];
    for (let more = true; more; ) {
      const answer = await this.api.delta(inbox, token).catch(async (problem) => {
        if (problem.status === 410 || problem.status === 400) await this.store.saveNote("delta", undefined);
        throw problem;
      });
      ({ token, more } = answer);
      if (begun) all.push(...answer.mails);
      const changes = this.list.take({ mails: answer.mails, left: answer.left, folder: inbox, age });
      await (begun ? this.#keep(changes) : this.#news(changes));
    }
    const oldest = all.reduce((least, mail) => (mail.received < least ? mail.received : least), all[0]?.received ?? "");
    if (begun) await this.#keep(this.list.replace({ mails: all, folder: inbox, age, since: oldest }));
    await this.store.saveNote("delta", token);
  }

  /** @param {{ changed: Mail[], added: Mail[], gone?: string[] }} changes */
  #news(changes) {
    for (const mail of changes.added) if (!mail.isRead && mail.folder === this.inbox?.id) this.arrived.tell(mail);
    return this.#keep(changes);
  }

  /** @param {{ changed?: Mail[], gone?: string[] }} changes */
  async #keep({ changed = [], gone = [] }) {
    this.changed.tell();
    if (!changed.length && !gone.length) return;
    await this.store.saveMails(changed, gone).catch(() => undefined); // a full disk is no reason not to show it
    this.kept.tell();
  }

  /** Let something happen in its own time; if it fails, the next look makes up for it. @param {Promise<unknown>} work */
  #soon(work) {
    work.catch(() => undefined);
  }

  /** @param {() => Promise<void>} work */
  async #tryTo(work) {
    try {
      await work();
      this.problem = "";
    } catch (problem) {
      const said = /** @type {import("./api.mjs").Refusal} */ (problem);
      this.problem = said.unreached ? "" : said.message;
    }
    this.changed.tell();
  }
}
