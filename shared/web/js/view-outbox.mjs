// What waits to be sent, and what the server refused: visible until it is done, tried again or let go of.

import { el, fill } from "./dom.mjs";
import { counted } from "./time-words.mjs";

/** @typedef {import("./actions.mjs").Action} Action @typedef {import("./outbox.mjs").Outbox} Outbox */

/** @type {Record<import("./actions.mjs").Kind, string>} */
const WHAT = { reply: "Reply to", move: "Move", read: "Mark", delete: "Delete" };

export class OutboxView {
  /** @param {{ place: HTMLElement, outbox: Outbox, isOnline: () => boolean }} told */
  constructor({ place, outbox, isOnline }) {
    this.place = place;
    this.outbox = outbox;
    this.isOnline = isOnline;
    outbox.changed.on(() => this.render());
  }

  render() {
    const shown = this.outbox.actions.filter((action) => action.state === "refused" || action.kind !== "read" || !this.isOnline());
    const held = this.place.contains(document.activeElement);
    const open = this.place.querySelector("details")?.open;
    this.place.hidden = shown.length === 0;
    if (!shown.length) return fill(this.place);
    const refused = shown.filter((action) => action.state === "refused").length;
    const waiting = shown.length - refused;
    const words = [refused && `${counted(refused, "action")} refused`, waiting && `${counted(waiting, "action")} ${this.isOnline() ? "being sent" : waiting === 1 ? "waits for the network" : "wait for the network"}`];
    const details = el("details", { open: open || refused > 0 }, el("summary", {}, words.filter(Boolean).join(", ")), el("ul", {}, ...shown.map((action) => this.#row(action))));
    fill(this.place, details);
    if (held) details.querySelector("summary")?.focus();
  }

  /** @param {Action} action */
  #row(action) {
    const read = action.kind === "read" ? ` as ${action.body.isRead ? "read" : "unread"}` : "";
    return el(
      "li",
      { data: { state: action.state, key: action.key } },
      el("p", { class: "what" }, `${WHAT[action.kind]} “${action.subject || "(no subject)"}”${read}`, action.kind === "reply" && el("span", { class: "sub" }, ` ${String(action.body.comment ?? "").slice(0, 120)}`)),
      el("p", { class: "state" }, this.#words(action)),
      action.state !== "sending" && this.#buttons(action),
    );
  }

  /** @param {Action} action */
  #buttons(action) {
    const again = action.state === "refused" || (action.problem && this.isOnline());
    return el(
      "p",
      { class: "buttons" },
      again && el("button", { type: "button", class: "quiet", onclick: () => this.outbox.retry(action.key) }, "Try again"),
      el("button", { type: "button", class: "quiet", onclick: () => this.outbox.discard(action.key) }, "Discard"),
    );
  }

  /** @param {Action} action */
  #words(action) {
    if (action.state === "refused") return `Refused: ${action.problem}`;
    if (action.state === "sending") return "Being sent…";
    if (!this.isOnline()) return "Waits for the network";
    return action.problem ? `Did not go through yet: ${action.problem} It is tried again.` : "Waits its turn";
  }
}
