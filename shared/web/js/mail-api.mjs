// The mailbox as the API has it: what is read, and how each action is sent.

import { readMail } from "./mail-list.mjs";
import { Refusal } from "./api.mjs";

/**
 * @typedef {import("./mail-list.mjs").Mail} Mail @typedef {import("./actions.mjs").Action} Action
 * @typedef {{ id: string, name: string, unread: number, role: string }} Folder `role` is Graph's name for those that every mailbox has
 * @typedef {{ state: "none" | "connecting" | "connected" | "leaving" | "ended", live: boolean, message?: string }} Report
 */

const PAGE = 30;

export class MailApi {
  /** @param {import("./api.mjs").Api} api */
  constructor(api) {
    this.api = api;
  }

  /** @returns {Promise<Report>} */
  report() {
    return this.api.ask("GET", "/mail/connect");
  }

  /** @returns {Promise<Report>} */
  connect() {
    return this.api.ask("POST", "/mail/connect");
  }

  async disconnect() {
    await this.api.ask("DELETE", "/mail/connect");
  }

  /** @returns {Promise<Folder[]>} */
  async folders() {
    const answer = await this.api.watch("/mail/folders");
    return answer.folders.map((/** @type {any} */ each) => ({
      id: String(each.id),
      name: String(each.displayName ?? ""),
      unread: Number(each.unreadItemCount ?? 0),
      role: String(each.role ?? ""),
    }));
  }

  /** @param {string} folder @param {string} [skipToken] @returns {Promise<{ mails: Mail[], next: string }>} */
  async messages(folder, skipToken = "") {
    const query = new URLSearchParams({ folder, top: String(PAGE), ...(skipToken ? { skipToken } : {}) });
    const answer = await this.api.ask("GET", `/mail/messages?${query}`);
    return { mails: readAll(answer.messages, folder), next: String(answer.skipToken ?? "") };
  }

  /** @param {string} id @returns {Promise<Mail>} */
  async message(id) {
    return readMail(await this.api.ask("GET", `/mail/messages/${encodeURIComponent(id)}`));
  }

  /**
   * Ask what changed in a folder since a token; without one, what there is of the last month.
   * @param {string} folder @param {string} token
   * @returns {Promise<{ mails: Mail[], left: string[], token: string, more: boolean }>}
   */
  async delta(folder, token) {
    const query = new URLSearchParams({ folder, ...(token ? { token } : {}) });
    const answer = await this.api.ask("GET", `/mail/delta?${query}`);
    return { mails: readAll(answer.messages, folder), left: answer.removed, token: answer.token, more: answer.more };
  }

  /** @param {Action} action @returns {Promise<import("./actions.mjs").Result>} */
  async send(action) {
    const [method, path, body] = requestOf(action);
    try {
      await this.api.ask(method, path, { body, headers: { "Idempotency-Key": action.key } });
      return { ok: true };
    } catch (problem) {
      if (!(problem instanceof Refusal)) return { ok: false, final: false, message: "Something went wrong here." };
      return { ok: false, final: !problem.passes, message: problem.message, after: problem.after };
    }
  }
}

/** @param {Action} action @returns {[string, string, any]} */
function requestOf(action) {
  const path = `/mail/messages/${encodeURIComponent(action.message)}`;
  if (action.kind === "reply") return ["POST", `${path}/reply`, { comment: action.body.comment }];
  if (action.kind === "move") return ["POST", `${path}/move`, { folder: action.body.folder }];
  if (action.kind === "read") return ["POST", `${path}/read`, { isRead: action.body.isRead }];
  return ["DELETE", path, undefined];
}

/** @param {any[]} messages @param {string} folder */
function readAll(messages, folder) {
  return messages.map((each) => readMail(each, folder));
}
