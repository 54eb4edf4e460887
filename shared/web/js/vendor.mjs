// The libraries of others, loaded when they are first needed. `python -m local.vendor` puts them there; a test compares names.

export const SIGNALR = "/api/app/vendor/signalr-10.0.11.min.js";
export const MSAL = "/api/app/vendor/msal-browser-5.30.0.min.js";
export const PURIFY = "/api/app/vendor/purify-3.5.0.min.js";

/** @returns {Promise<typeof import("@microsoft/signalr")>} */
export async function loadSignalr() {
  await import(SIGNALR);
  return /** @type {any} */ (globalThis).signalR;
}

/** @returns {Promise<typeof import("@azure/msal-browser")>} */
export async function loadMsal() {
  await import(MSAL);
  return /** @type {any} */ (globalThis).msal;
}

/** @returns {Promise<import("dompurify").DOMPurify>} */
export async function loadPurify() {
  await import(PURIFY);
  return /** @type {any} */ (globalThis).DOMPurify;
}
