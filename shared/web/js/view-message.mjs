// One message of a feed: who, when, what, and what became of it.

import { firstWords, showBody } from "./bodies.mjs";
import { el } from "./dom.mjs";
import { ago, inFull } from "./time-words.mjs";

/** @typedef {import("./feed-log.mjs").Item} Item */

const TONES = 8;
const REACTIONS = /** @type {Record<string, string>} */ ({ like: "👍", heart: "❤️", laugh: "😆", surprised: "😮", sad: "😢", angry: "😡" });

/**
 * @param {Item} item
 * @param {{ now: number, mine: boolean, follows: boolean, parent?: Item | undefined }} told `follows`: the same person went on writing
 */
export function showMessage(item, { now, mine, follows, parent }) {
  const classes = ["message", mine && "mine", follows && "follows", item.deleted && "deleted"].filter(Boolean).join(" ");
  const happened = item.deleted && !item.by ? "A message was deleted" : eventWords(item);
  if (happened) return el("li", { class: "happened", data: { id: item.id } }, `${happened} · `, time(item.at, now));
  return el(
    "li",
    { class: classes, data: { id: item.id }, tabindex: "-1" },
    avatar(item.by, follows),
    el(
      "article",
      { "aria-label": `${item.by || "Somebody"}, ${inFull(item.at)}` },
      el(
        "p",
        { class: "by" },
        el("span", { class: follows ? "unseen" : "name" }, item.by || "Somebody"),
        time(item.at, now),
        item.edited && el("span", { class: "tag" }, "edited"),
        importance(item) && el("span", { class: "tag urgent" }, importance(item)),
      ),
      parent && el("p", { class: "quoted" }, el("span", { class: "unseen" }, "In reply to "), el("b", {}, parent.by || "Somebody"), ": ", firstWords(parent.content?.body, 80) || "a message"),
      ...what(item),
    ),
  );
}

/** Keep the relative times of a part of the page true. @param {ParentNode} part @param {number} now */
export function refreshTimes(part, now) {
  for (const each of part.querySelectorAll("time[datetime]:not(.full)")) {
    const said = ago(each.getAttribute("datetime") ?? "", now);
    if (each.textContent !== said) each.textContent = said;
  }
}

/** @param {string} at @param {number} now */
export function time(at, now) {
  return el("time", { datetime: at, title: inFull(at) }, ago(at, now));
}

/** A person's initials on a colour that is always theirs. @param {string} name @param {boolean} [hidden] */
export function avatar(name, hidden = false) {
  const letters = name.split(/\s+/).filter(Boolean).map((word) => [...word][0]);
  const initials = letters.length > 1 ? `${letters[0]}${letters.at(-1)}` : (letters[0] ?? "?");
  return el("span", { class: `avatar tone-${toneOf(name)}${hidden ? " hidden" : ""}`, "aria-hidden": "true" }, hidden ? "" : initials.toUpperCase());
}

/** @param {string} name */
function toneOf(name) {
  let mixed = 2166136261;
  for (const letter of name) mixed = Math.imul(mixed ^ (letter.codePointAt(0) ?? 0), 16777619);
  return ((mixed ^ (mixed >>> 15)) >>> 0) % TONES;
}

/** @param {Item} item @returns {(HTMLElement | null)[]} */
function what(item) {
  if (item.deleted) return [el("p", { class: "gone" }, "This message was deleted.")];
  const { subject, body, attachments, reactions } = item.content ?? {};
  const names = /** @type {any[]} */ (attachments ?? []).map((each) => each?.name).filter(Boolean);
  return [
    subject ? el("h3", { class: "subject" }, String(subject)) : null,
    showBody(body ?? (item.content?.bodyPreview ? { contentType: "text", content: item.content.bodyPreview } : null), { title: `Message by ${item.by || "somebody"}` }),
    names.length ? el("p", { class: "attached" }, `Attached: ${names.join(", ")}`) : null,
    reactions?.length ? el("p", { class: "reactions" }, ...counted(reactions)) : null,
  ];
}

/** @param {any[]} reactions */
function counted(reactions) {
  const counts = new Map();
  for (const each of reactions) counts.set(each?.reactionType, (counts.get(each?.reactionType) ?? 0) + 1);
  return [...counts].map(([kind, count]) =>
    el("span", { class: "reaction" }, el("span", { role: "img", "aria-label": String(kind) }, REACTIONS[kind] ?? String(kind)), ` ${count}`),
  );
}

/** @param {Item} item */
function importance(item) {
  const level = item.content?.importance;
  return level === "high" ? "important" : level === "urgent" ? "urgent" : "";
}

/** What happened in a channel or chat, where nobody wrote anything. @param {Item} item */
function eventWords(item) {
  const detail = item.content?.eventDetail?.["@odata.type"];
  if (!detail) return "";
  const words = String(detail).split(".").at(-1)?.replace(/EventMessageDetail$/, "").replace(/([A-Z])/g, " $1").trim().toLowerCase() ?? "";
  return words.charAt(0).toUpperCase() + words.slice(1);
}
