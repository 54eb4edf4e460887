// Times as people say them. Pure.

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/**
 * Say how long ago something was, or when it was if that is long ago.
 * @param {string} iso @param {number} now @param {string} [locale]
 */
export function ago(iso, now, locale) {
  const at = Date.parse(iso);
  if (Number.isNaN(at)) return "";
  const passed = now - at;
  if (passed < MINUTE) return "just now";
  if (passed < HOUR) return `${Math.floor(passed / MINUTE)} min ago`;
  if (isSameDay(at, now)) return clock(at, locale);
  if (isSameDay(at, now - DAY)) return `yesterday, ${clock(at, locale)}`;
  const far = passed > 300 * DAY;
  return new Date(at).toLocaleDateString(locale, { day: "numeric", month: "short", ...(far ? { year: "numeric" } : {}) });
}

/** Say when something was, in full. @param {string} iso @param {string} [locale] */
export function inFull(iso, locale) {
  const at = Date.parse(iso);
  return Number.isNaN(at) ? "" : new Date(at).toLocaleString(locale, { dateStyle: "full", timeStyle: "short" });
}

/** Name the day of something, for the line above what was written on it. @param {string} iso @param {number} now @param {string} [locale] */
export function dayOf(iso, now, locale) {
  const at = Date.parse(iso);
  if (Number.isNaN(at)) return "";
  if (isSameDay(at, now)) return "Today";
  if (isSameDay(at, now - DAY)) return "Yesterday";
  return new Date(at).toLocaleDateString(locale, { weekday: "long", day: "numeric", month: "long", year: "numeric" });
}

/** Say how long something took. @param {number} milliseconds */
export function duration(milliseconds) {
  if (milliseconds < MINUTE) return "less than a minute";
  if (milliseconds < HOUR) return counted(Math.floor(milliseconds / MINUTE), "minute");
  if (milliseconds < DAY) return counted(Math.floor(milliseconds / HOUR), "hour");
  return counted(Math.floor(milliseconds / DAY), "day");
}

/** @param {number} count @param {string} one @param {string} [many] */
export function counted(count, one, many = `${one}s`) {
  return `${count} ${count === 1 ? one : many}`;
}

/** What somebody who comes back is told; empty if there is nothing to tell. @param {number} away @param {number} messages */
export function welcomeBack(away, messages) {
  if (away < MINUTE || messages < 1) return "";
  return `You were away for ${duration(away)}; ${counted(messages, "message")} came meanwhile.`;
}

/** @param {number} at @param {string} [locale] */
function clock(at, locale) {
  return new Date(at).toLocaleTimeString(locale, { hour: "numeric", minute: "2-digit" });
}

/** @param {number} one @param {number} other */
function isSameDay(one, other) {
  return new Date(one).toDateString() === new Date(other).toDateString();
}
