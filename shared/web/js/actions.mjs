// What a person has asked for and the server has not yet done: replies, moves, deletions. Pure.
//
// An action is written down before it is tried and goes away when the server says that it is done, so that neither a lost
// network nor a closed browser loses one. It keeps its key for ever: a server that sees it twice does it once. Actions about
// one message go in the order in which they were asked for; one that the server refused holds back those after it, until
// the person tries it again or lets go of it.

/**
 * @typedef {"reply" | "move" | "read" | "delete"} Kind
 * @typedef {"waiting" | "sending" | "refused"} State
 *
 * @typedef {object} Action
 * @property {string} key what the server knows it by, should it come twice
 * @property {number} order
 * @property {Kind} kind
 * @property {string} message the id of the mail that it is about
 * @property {string} subject for people
 * @property {Record<string, any>} body
 * @property {State} state
 * @property {number} attempts
 * @property {number} notBefore milliseconds since 1970
 * @property {string} problem what the server said, where it refused or the last attempt failed
 *
 * @typedef {{ ok: true } | { ok: false, final: boolean, message: string, after?: number }} Result
 */

const FIRST_PAUSE = 2_000;
const LONGEST_PAUSE = 60_000;

/**
 * @param {{ key: string, order: number, kind: Kind, message: string, subject: string, body?: Record<string, any> }} asked
 * @returns {Action}
 */
export function newAction({ key, order, kind, message, subject, body = {} }) {
  return { key, order, kind, message, subject, body, state: "waiting", attempts: 0, notBefore: 0, problem: "" };
}

/**
 * Choose what to send now: the oldest that may go; nothing while one is on its way.
 * @param {Action[]} actions @param {number} now
 * @returns {Action | undefined}
 */
export function nextAction(actions, now) {
  if (actions.some((action) => action.state === "sending")) return undefined;
  const held = new Set();
  for (const action of inOrder(actions)) {
    if (action.state === "waiting" && action.notBefore <= now && !held.has(action.message)) return action;
    held.add(action.message);
  }
  return undefined;
}

/**
 * Say when to look again: the milliseconds until the next action may go, or undefined if none waits for time to pass.
 * @param {Action[]} actions @param {number} now
 */
export function pauseBefore(actions, now) {
  const times = actions.filter((action) => action.state === "waiting").map((action) => action.notBefore - now);
  return times.length ? Math.max(0, Math.min(...times)) : undefined;
}

/** @param {Action} action @returns {Action} */
export function began(action) {
  return { ...action, state: "sending", attempts: action.attempts + 1 };
}

/**
 * Find out what becomes of an action: gone (null), again later, or refused.
 * @param {Action} action @param {Result} result @param {number} now @param {number} [chance] in [0, 1)
 * @returns {Action | null}
 */
export function after(action, result, now, chance = 0) {
  if (result.ok) return null;
  if (result.final) return { ...action, state: "refused", problem: result.message };
  const pause = result.after ?? Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** Math.min(action.attempts - 1, 10));
  return { ...action, state: "waiting", problem: result.message, notBefore: now + pause * (1 + chance / 4) };
}

/** Try again what was refused, or what waits. @param {Action} action @returns {Action} */
export function again(action) {
  return { ...action, state: "waiting", notBefore: 0, problem: "" };
}

/**
 * What was on its way when the browser was closed goes again: whether it arrived is for the server to know, by its key.
 * @param {Action[]} actions @returns {Action[]} those that change
 */
export function orphans(actions) {
  return actions.filter((action) => action.state === "sending").map((action) => ({ ...action, state: "waiting" }));
}

/**
 * Show a mail as it will be once everything asked for is done; null once it is to be gone from where it was. What the server
 * refused shows as it is.
 * @template {{ id: string, isRead?: boolean, folder?: string }} Mail
 * @param {Mail} mail @param {Action[]} actions
 * @returns {Mail | null}
 */
export function foreseen(mail, actions) {
  /** @type {Mail | null} */
  let seen = mail;
  for (const action of inOrder(actions)) {
    if (!seen || action.message !== mail.id || action.state === "refused") continue;
    if (action.kind === "read") seen = { ...seen, isRead: Boolean(action.body.isRead) };
    if (action.kind === "delete" || action.kind === "move") seen = null;
  }
  return seen;
}

/** @param {Action[]} actions */
export function inOrder(actions) {
  return [...actions].sort((one, other) => one.order - other.order);
}
