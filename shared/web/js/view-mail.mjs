// The view of the mailbox: its folders, the mails of one, and one mail with what can be done about it.

import { showBody } from "./bodies.mjs";
import { arrange, el, fill, moveByArrows } from "./dom.mjs";
import { inFull } from "./time-words.mjs";
import { avatar, refreshTimes, time } from "./view-message.mjs";
import { closeWhenLeft } from "./view-shell.mjs";

/** @typedef {import("./mailbox.mjs").Mailbox} Mailbox @typedef {import("./mail-list.mjs").Mail} Mail */

const SAVED_AFTER = 300;

export class MailView {
  /** @param {{ mailbox: Mailbox, outbox: import("./outbox.mjs").Outbox, store: import("./store.mjs").Store, isOnline: () => boolean }} told */
  constructor({ mailbox, outbox, store, isOnline }) {
    this.mailbox = mailbox;
    this.outbox = outbox;
    this.store = store;
    this.isOnline = isOnline;
    /** @type {string | null} */
    this.folderId = null;
    /** @type {string | null} */
    this.openId = null;
    this.visible = false;
    /** @type {{ signature: string, element: HTMLElement } | null} */
    this.welcome = null;
    /** @type {Map<string, { element: HTMLElement, state: string }>} */
    this.rows = new Map();
    this.shownMail = "";
    this.replying = "";
    this.element = el("div", { class: "mail" });
    this.select = el("select", { "aria-label": "Folder", onchange: () => this.#choose(this.select.value) });
    this.list = el("ul", { class: "rows" });
    this.more = el("button", { type: "button", class: "quiet older", onclick: () => this.folder && mailbox.load(this.folder, true) }, "Show older mail");
    this.problem = el("p", { class: "problem", role: "status", hidden: true });
    this.menu = this.#mailboxMenu();
    this.side = el("nav", { class: "side", "aria-label": "Mails" }, el("div", { class: "side-head" }, this.select, this.menu), this.problem, this.list, this.more);
    this.reading = el("section", { class: "reading", "aria-label": "Mail" });
    this.split = el("div", { class: "split" }, this.side, this.reading);
    moveByArrows(this.list, "a");
    mailbox.changed.on(() => this.visible && this.render());
  }

  /** @param {string | null} id */
  show(id) {
    this.visible = true;
    const other = id !== this.openId;
    this.openId = id;
    if (other) this.#close();
    if (other && id) this.mailbox.loadBody(id).then(() => this.#markRead(id));
    this.render();
  }

  hide() {
    this.visible = false;
    this.openId = null;
    this.#close();
  }

  /** @param {number} now */
  tick(now) {
    refreshTimes(this.element, now);
  }

  /** The folder that is shown. */
  get folder() {
    return this.folderId ?? this.mailbox.inbox?.id ?? null;
  }

  render() {
    const { mailbox } = this;
    this.split.classList.toggle("opened", Boolean(this.openId));
    this.element.dataset.live = String(mailbox.report?.live ?? false);
    if (!mailbox.isConnected && !(mailbox.report === null && mailbox.list.mails.size)) return arrange(this.element, [this.#welcome()]);
    arrange(this.element, [this.split]);
    this.#renderFolders();
    this.problem.hidden = !mailbox.problem;
    this.problem.textContent = mailbox.problem;
    this.#renderList();
    this.#renderMail();
  }

  // -- connecting ---------------------------------------------------------------------------------------------------

  #welcome() {
    const { mailbox } = this;
    const state = !mailbox.isThere ? "absent" : (mailbox.report?.state ?? (this.isOnline() ? "unknown" : "offline"));
    const signature = JSON.stringify([state, mailbox.problem, mailbox.report?.message]);
    if (this.welcome?.signature === signature) return this.welcome.element;
    const button = el("button", { type: "button", class: "main", onclick: () => ((button.disabled = true), mailbox.connect()) }, state === "ended" ? "Connect again" : "Connect my mailbox");
    const [title, words, offered] = /** @type {Record<string, [string, string, boolean]>} */ ({
      absent: ["No mail here", "Whoever runs this app has not set it up for mailboxes.", false],
      unknown: ["Your mailbox", "Asking how it is…", false],
      offline: ["Your mailbox", "You are offline, and this browser has kept nothing of your mailbox yet.", false],
      none: ["Your mailbox, live", "Connect it, and what comes in shows here at once. You can answer, move and delete, also while you are offline: it is done when you are back. Nobody else sees it.", true],
      leaving: ["Disconnecting", "Your mailbox is being disconnected; what was kept of it is removed.", true],
      ended: ["Your mailbox is no longer connected", mailbox.report?.message || "Your consent was taken back, or has run out.", true],
    })[state];
    const element = el("section", { class: "welcome" }, el("h1", {}, title), el("p", {}, words), mailbox.problem && el("p", { class: "problem", role: "alert" }, mailbox.problem), offered && button);
    this.welcome = { signature, element };
    return element;
  }

  #mailboxMenu() {
    const menu = el(
      "details",
      { class: "menu" },
      el("summary", { class: "dots" }, el("span", { "aria-hidden": "true" }, "⋯"), el("span", { class: "unseen" }, "About this mailbox")),
      el("div", { class: "menu-card" }, el("button", { type: "button", onclick: () => ((menu.open = false), this.mailbox.disconnect()) }, "Disconnect the mailbox"), el("p", { class: "sub" }, "This app forgets your mailbox, and stops hearing of it. Your mail stays where it is.")),
    );
    closeWhenLeft(menu);
    return menu;
  }

  // -- the list -----------------------------------------------------------------------------------------------------

  /** @param {string} folder */
  #choose(folder) {
    this.folderId = folder;
    this.rows.clear();
    this.render();
    this.mailbox.load(folder);
  }

  #renderFolders() {
    const { folders } = this.mailbox;
    const state = JSON.stringify([folders, this.folder]);
    if (this.select.dataset.state === state) return;
    this.select.dataset.state = state;
    fill(this.select, ...folders.map((folder) => el("option", { value: folder.id, selected: folder.id === this.folder }, folder.name)));
  }

  #renderList() {
    const now = Date.now();
    const mails = this.folder ? this.mailbox.in(this.folder) : [];
    const rows = mails.map((mail) => {
      const state = JSON.stringify([mail.isRead, mail.id === this.openId]);
      const known = this.rows.get(mail.id);
      if (known?.state === state) return known.element;
      const element = this.#row(mail, now);
      const focused = known?.element.contains(document.activeElement);
      if (focused) queueMicrotask(() => element.querySelector("a")?.focus());
      this.rows.set(mail.id, { element, state });
      return element;
    });
    if (!rows.length) rows.push(el("li", { class: "empty" }, this.mailbox.report?.state === "connecting" && !this.mailbox.list.mails.size ? "Connecting: your mail will be here in a moment." : "No mail in this folder."));
    arrange(this.list, rows);
    this.more.hidden = !this.folder || !this.mailbox.next.get(this.folder);
  }

  /** @param {Mail} mail @param {number} now */
  #row(mail, now) {
    return el(
      "li",
      {},
      el(
        "a",
        { class: mail.isRead ? "row" : "row unread", href: `#/mail/${encodeURIComponent(mail.id)}`, data: { id: mail.id }, "aria-current": mail.id === this.openId ? "true" : null },
        avatar(mail.from),
        el("span", { class: "row-top" }, el("span", { class: "row-title" }, mail.from || "(nobody)"), time(mail.received, now)),
        el("span", { class: "row-subject" }, !mail.isRead && el("span", { class: "unseen" }, "Unread: "), mail.subject || "(no subject)"),
        el("span", { class: "row-words" }, mail.preview),
      ),
    );
  }

  // -- one mail -----------------------------------------------------------------------------------------------------

  #close() {
    this.shownMail = "";
    this.replying = "";
    fill(this.reading);
  }

  /** @param {string} id */
  #markRead(id) {
    const mail = this.mailbox.get(id);
    if (mail?.body && !mail.isRead && this.visible && this.openId === id) this.outbox.add({ kind: "read", message: id, subject: mail.subject, body: { isRead: true } });
  }

  #renderMail() {
    const id = this.openId;
    const mail = id ? this.mailbox.get(id) : null;
    // what was drawn stays as long as it is the same mail with the same body: a reply may be half written in it
    const state = mail ? `${id} ${mail.body ? "whole" : `preview ${this.isOnline()}`}` : `none ${id}`;
    if (state !== this.shownMail) {
      this.shownMail = state;
      this.tools = undefined;
      if (mail) this.#drawMail(mail);
      else this.#drawNothing(id);
    }
    if (mail) this.#renderTools(mail);
  }

  /** @param {string | null} id */
  #drawNothing(id) {
    const words = !id ? "Choose a mail to read it." : this.isOnline() ? "This mail is not here (any more)." : "This mail has not been kept in this browser.";
    fill(this.reading, el("header", {}, el("a", { class: "back", href: "#/mail" }, "All mail"), el("div", {}, el("h1", {}, "Mail"))), el("p", { class: "empty" }, words));
  }

  /** @param {Mail} mail */
  #drawMail(mail) {
    const later = this.isOnline() ? "Loading the rest…" : "The rest has not been kept here; it loads when you are back online.";
    const body = mail.body
      ? showBody(mail.body, { title: `Mail from ${mail.from}`, framed: true })
      : el("p", { class: "body waiting" }, mail.preview, el("br"), el("span", { class: "sub" }, later));
    const received = el("time", { datetime: mail.received, class: "full" }, inFull(mail.received));
    this.tools = el("div", { class: "tools", role: "group", "aria-label": "What to do with this mail" });
    this.replyPlace = el("div", { class: "reply-place" });
    fill(
      this.reading,
      el("header", {}, el("a", { class: "back", href: "#/mail" }, "All mail"), el("div", {}, el("h1", { tabindex: "-1" }, mail.subject || "(no subject)"), this.tools)),
      el(
        "div",
        { class: "scroller", tabindex: "0", role: "region", "aria-label": "The mail" },
        el(
          "div",
          { class: "from" },
          avatar(mail.from),
          el("p", {}, el("b", {}, mail.from || "(nobody)"), " ", el("span", { class: "sub" }, mail.fromAddress), el("br"), el("span", { class: "sub" }, `To ${mail.to.join(", ") || "nobody"} · `, received)),
        ),
        mail.hasAttachments && el("p", { class: "attached" }, "With attachments, which Outlook shows."),
        body,
        this.replyPlace,
      ),
    );
    this.#restoreDraft(mail);
  }

  /** @param {Mail} mail */
  #renderTools(mail) {
    const state = JSON.stringify([mail.id, mail.isRead, this.mailbox.folders.length]);
    if (!this.tools || this.tools.dataset.state === state) return;
    const focused = this.tools.contains(document.activeElement) ? document.activeElement?.getAttribute("data-tool") : null;
    this.tools.dataset.state = state;
    const others = this.mailbox.folders.filter((folder) => folder.id !== mail.folder);
    fill(
      this.tools,
      el("button", { type: "button", data: { tool: "reply" }, onclick: () => this.#openReply(mail) }, "Reply"),
      el("button", { type: "button", data: { tool: "read" }, onclick: () => this.#ask(mail, "read", { isRead: !(this.mailbox.get(mail.id)?.isRead ?? true) }) }, mail.isRead ? "Mark unread" : "Mark read"),
      el("label", { class: "unseen", for: "move-to" }, "Move to"),
      el("select", { id: "move-to", data: { tool: "move" }, onchange: (/** @type {any} */ event) => this.#ask(mail, "move", { folder: event.target.value }) }, el("option", { value: "", selected: true, disabled: true }, "Move to…"), ...others.map((folder) => el("option", { value: folder.id }, folder.name))),
      el("button", { type: "button", data: { tool: "delete" }, class: "danger", onclick: () => this.#ask(mail, "delete", {}) }, "Delete"),
    );
    if (focused) /** @type {HTMLElement | null} */ (this.tools.querySelector(`[data-tool="${focused}"]`))?.focus();
  }

  /** @param {Mail} mail @param {import("./actions.mjs").Kind} kind @param {Record<string, any>} body */
  async #ask(mail, kind, body) {
    if (kind !== "read") this.#goOn(mail.id);
    await this.outbox.add({ kind, message: mail.id, subject: mail.subject, body });
  }

  /** The mail is gone from here: back to the list, at the mail after it. Nothing is opened, and so read, that nobody chose. @param {string} id */
  #goOn(id) {
    const rows = /** @type {HTMLElement[]} */ ([...this.list.querySelectorAll("a.row")]);
    const at = rows.findIndex((row) => row.dataset.id === id);
    const next = rows[at + 1] ?? rows[at - 1];
    window.addEventListener("hashchange", () => next?.isConnected && next.focus(), { once: true });
    location.hash = "#/mail";
  }

  // -- answering ----------------------------------------------------------------------------------------------------

  /** @param {Mail} mail */
  async #restoreDraft(mail) {
    const draft = await this.store.note(`draft:${mail.id}`);
    if (draft && this.openId === mail.id) this.#openReply(mail, draft);
  }

  /** @param {Mail} mail @param {string} [draft] */
  #openReply(mail, draft = "") {
    if (!this.replyPlace) return;
    const there = this.replyPlace.querySelector("textarea");
    if (there) return there.focus();
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let saving;
    const save = () => this.store.saveNote(`draft:${mail.id}`, text.value || undefined);
    const text = el("textarea", {
      id: "reply",
      rows: "5",
      oninput: () => {
        clearTimeout(saving);
        saving = setTimeout(save, SAVED_AFTER);
      },
      onblur: save,
      onkeydown: (/** @type {KeyboardEvent} */ event) => {
        if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send();
      },
    });
    text.value = draft;
    const close = () => {
      clearTimeout(saving);
      this.store.saveNote(`draft:${mail.id}`, undefined);
      fill(/** @type {HTMLElement} */ (this.replyPlace));
      /** @type {HTMLElement | null} */ (this.tools?.querySelector("[data-tool=reply]"))?.focus();
    };
    const send = async () => {
      const comment = text.value.trim();
      if (!comment) return text.focus();
      await this.outbox.add({ kind: "reply", message: mail.id, subject: mail.subject, body: { comment } });
      close();
    };
    const form = el(
      "form",
      { class: "reply", onsubmit: (/** @type {Event} */ event) => (event.preventDefault(), send()) },
      el("label", { for: "reply" }, `Your reply to ${mail.from || mail.fromAddress}`),
      text,
      el("p", { class: "buttons" }, el("button", { type: "submit", class: "main" }, "Send"), el("button", { type: "button", class: "quiet", onclick: close }, "Discard"), el("span", { class: "sub" }, this.isOnline() ? "Ctrl + Enter sends" : "Sent when you are back online")),
    );
    fill(this.replyPlace, form);
    if (!draft) {
      text.focus();
      form.scrollIntoView({ block: "nearest" });
    }
  }
}
