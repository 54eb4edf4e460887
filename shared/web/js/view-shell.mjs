// What surrounds the views: who is signed in, whether the page is live, what everybody has to be told.

import { byId, el, fill } from "./dom.mjs";
import { avatar } from "./view-message.mjs";

/** @typedef {import("./live.mjs").State} State */

/** @type {Record<State, string>} */
const WORDS = {
  starting: "Starting…",
  connecting: "Connecting…",
  live: "Live",
  reconnecting: "Reconnecting…",
  offline: "Offline",
  asking: "Looking every few seconds",
  stopped: "Stopped",
};
/** @type {Record<State, string>} */
const EXPLAINED = {
  starting: "",
  connecting: "",
  live: "What happens shows here at once.",
  reconnecting: "The live connection was lost. What you see is what was known; it is being looked for again.",
  offline: "There is no network. What you see was kept in this browser; what you do is sent when the network is back.",
  asking: "This server has no live updates, so that the page asks again every few seconds.",
  stopped: "",
};

/** @param {State} state */
export function showState(state) {
  const place = byId("live");
  place.hidden = false;
  place.dataset.state = state;
  place.title = EXPLAINED[state];
  const words = place.querySelector(".words");
  if (words) words.textContent = WORDS[state];
}

/** @param {{ name: string, address: string }} account @param {() => void} onSignOut */
export function showAccount(account, onSignOut) {
  const name = account.name || account.address;
  const menu = el(
    "details",
    { class: "menu" },
    el("summary", {}, avatar(name), el("span", { class: "unseen" }, `Signed in as ${name}`)),
    el(
      "div",
      { class: "menu-card" },
      el("p", {}, el("b", {}, name), el("br"), el("span", { class: "sub" }, account.address)),
      el("button", { type: "button", onclick: onSignOut }, "Sign out"),
      el("p", { class: "sub" }, "Signing out removes what this browser has kept for you."),
    ),
  );
  closeWhenLeft(menu);
  fill(byId("who"), menu);
  byId("who").hidden = false;
}

/** Close a menu with Escape, and when the focus or a click goes elsewhere. @param {HTMLDetailsElement} menu */
export function closeWhenLeft(menu) {
  document.addEventListener("click", (event) => {
    if (!menu.contains(/** @type {Node} */ (event.target))) menu.open = false;
  });
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    menu.open = false;
    menu.querySelector("summary")?.focus();
  });
  menu.addEventListener("focusout", (event) => {
    if (event.relatedTarget && !menu.contains(/** @type {Node} */ (event.relatedTarget))) menu.open = false;
  });
}

/** Say which view this is, and how much in each has not been read. @param {"feeds" | "mail"} view @param {{ feeds: number, mail: number }} unread */
export function showViews(view, unread) {
  const nav = byId("to-feeds").parentElement;
  if (nav) nav.hidden = false;
  for (const each of /** @type {const} */ (["feeds", "mail"])) {
    const link = byId(`to-${each}`);
    if (each === view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
    const count = /** @type {HTMLElement} */ (link.querySelector(".count"));
    count.hidden = unread[each] === 0;
    fill(count, String(unread[each]), el("span", { class: "unseen" }, " unread"));
  }
  const all = unread.feeds + unread.mail;
  document.title = `${all ? `(${all}) ` : ""}${view === "feeds" ? "Feeds" : "Mail"} · Earshot`;
}

/**
 * Show a sentence above the views until somebody closes it; the same kind is shown once.
 * @param {string} kind @param {string} words @param {{ label: string, act: () => void }} [offer]
 */
export function notice(kind, words, offer) {
  const places = byId("notices");
  places.querySelector(`[data-kind="${kind}"]`)?.remove();
  const close = () => place.remove();
  const place = el(
    "div",
    { class: "notice", data: { kind }, role: "status" },
    el("p", {}, words),
    offer && el("button", { type: "button", class: "quiet", onclick: () => (close(), offer.act()) }, offer.label),
    el("button", { type: "button", class: "close", "aria-label": "Close", onclick: close }, "×"),
  );
  places.append(place);
}

/** Take a notice away. @param {string} kind */
export function withdraw(kind) {
  byId("notices").querySelector(`[data-kind="${kind}"]`)?.remove();
}

const BETWEEN_ANNOUNCEMENTS = 1_500;
const MOST_AT_ONCE = 3;
/** @type {string[]} */
let toTell = [];
/** Tell those who listen rather than look; when much happens, the latest of it every now and then. @param {string} words */
export function announce(words) {
  if (!toTell.length) {
    setTimeout(() => {
      byId("told").textContent = toTell.join(". ");
      toTell = [];
    }, BETWEEN_ANNOUNCEMENTS);
  }
  toTell = [...toTell, words].slice(-MOST_AT_ONCE);
}

/** @param {() => void} onSignIn @param {string} [why] */
export function signInScreen(onSignIn, why = "") {
  const button = el("button", { type: "button", class: "main", onclick: () => ((button.disabled = true), onSignIn()) }, "Sign in");
  return el(
    "section",
    { class: "welcome" },
    el("img", { src: "/api/app/icon.svg", alt: "", width: "72", height: "72" }),
    el("h1", {}, "Within earshot of your teams"),
    el("p", {}, "What is said in your channels and chats, and what comes to your mailbox: here, as it happens. Also after you were away."),
    why && el("p", { class: "problem", role: "alert" }, why),
    button,
  );
}

/** @param {string} title @param {string} words @param {{ label: string, act: () => void }} [offer] */
export function problemScreen(title, words, offer) {
  return el("section", { class: "welcome" }, el("h1", {}, title), el("p", { role: "alert" }, words), offer && el("button", { type: "button", class: "main", onclick: offer.act }, offer.label));
}
