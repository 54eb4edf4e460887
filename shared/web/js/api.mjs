// Asks the app's API as the signed-in person. Every failure is a `Refusal` that says whether to try again, and what to tell people.

import { AuthorityAway, SignedOut } from "./sign-in.mjs";

const PATIENCE = 30_000;
const PASSING = new Set([0, 401, 408, 425, 429, 500, 502, 503, 504]);

export class Refusal extends Error {
  /** @param {{ status: number, code: string, message: string, after?: number }} told */
  constructor({ status, code, message, after }) {
    super(message);
    this.status = status;
    this.code = code;
    this.after = after;
  }

  /** Whether the same request may do better later. */
  get passes() {
    return PASSING.has(this.status);
  }

  /** Whether nobody was reached at all. */
  get unreached() {
    return this.status === 0;
  }
}

export class Api {
  /** @type {Map<string, { tag: string, body: any }>} */
  #known = new Map();

  /** @param {{ token: () => Promise<string>, onSignedOut: () => void, base?: string }} told */
  constructor({ token, onSignedOut, base = "/api" }) {
    this.token = token;
    this.onSignedOut = onSignedOut;
    this.base = base;
  }

  /** Read something that is asked for again and again: an answer that has not changed costs its reader next to nothing. @param {string} path */
  async watch(path) {
    const known = this.#known.get(path);
    const answer = await this.#send("GET", path, { headers: known ? { "If-None-Match": known.tag } : {} });
    if (answer.status === 304 && known) return known.body;
    const body = await answer.json();
    const tag = answer.headers.get("ETag");
    if (tag) this.#known.set(path, { tag, body });
    return body;
  }

  /**
   * @param {string} method @param {string} path @param {{ body?: any, headers?: Record<string, string> }} [told]
   * @returns {Promise<any>} what was answered, or null where there is nothing in it
   */
  async ask(method, path, told = {}) {
    const answer = await this.#send(method, path, told);
    const text = await answer.text();
    return text ? JSON.parse(text) : null;
  }

  /** @param {string} method @param {string} path @param {{ body?: any, headers?: Record<string, string> }} told */
  async #send(method, path, { body, headers = {} }) {
    /** @type {RequestInit} */
    const request = {
      method,
      headers: { ...headers, Authorization: `Bearer ${await this.#showWho()}` },
      cache: "no-store", // what is kept is in IndexedDB, where signing out finds it
      signal: AbortSignal.timeout(PATIENCE),
    };
    if (body !== undefined) {
      request.body = JSON.stringify(body);
      request.headers = { ...request.headers, "Content-Type": "application/json" };
    }
    const answer = await fetch(this.base + path, request).catch(() => {
      throw unreached();
    });
    if (answer.ok || answer.status === 304) return answer;
    throw await refusalOf(answer);
  }

  async #showWho() {
    try {
      return await this.token();
    } catch (problem) {
      if (problem instanceof SignedOut) {
        this.onSignedOut();
        throw new Refusal({ status: 401, code: "SignedOut", message: "Please sign in again." });
      }
      if (problem instanceof AuthorityAway) throw unreached();
      throw problem;
    }
  }
}

function unreached() {
  return new Refusal({ status: 0, code: "Unreached", message: "There is no connection right now." });
}

/** @param {Response} answer */
async function refusalOf(answer) {
  const said = await answer.json().catch(() => null);
  const seconds = Number(answer.headers.get("Retry-After"));
  return new Refusal({
    status: answer.status,
    code: said?.error?.code ?? String(answer.status),
    message: said?.error?.message ?? `The server answered ${answer.status}.`,
    after: Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : undefined,
  });
}
