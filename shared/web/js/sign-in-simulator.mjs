// Signs people in at the simulator of this machine: the authorization code flow with PKCE, in as few lines as it takes.
//
// MSAL takes no authority that speaks http, and the simulator's https has a certificate that no browser knows. Nothing but the
// simulator may be signed in to with this: the server tells the page to only where its Graph is one on loopback.
// https://learn.microsoft.com/en-us/entra/identity-platform/v2-oauth2-auth-code-flow

import { AuthorityAway, SignedOut } from "./sign-in.mjs";

/** @typedef {import("./sign-in.mjs").Config} Config @typedef {import("./sign-in.mjs").Account} Account */

const KEPT = "earshot-simulator-sign-in";
const BEGUN = "earshot-simulator-begun";
const EARLY = 120_000;

export class SimulatorSignIn {
  /** @param {Config} config */
  constructor(config) {
    const host = new URL(config.authority).hostname;
    if (!["127.0.0.1", "localhost", "[::1]"].includes(host)) throw new Error("the simulator's sign-in is for this machine only");
    this.config = config;
    this.home = `${location.origin}/api/app`;
    /** @type {Promise<string> | null} */
    this.asking = null;
  }

  /** @returns {Account | null} */
  get account() {
    return this.#kept()?.account ?? null;
  }

  /** Take the code, if the browser comes back with one. */
  async open() {
    const query = new URLSearchParams(location.search);
    const begun = JSON.parse(sessionStorage.getItem(BEGUN) ?? "null");
    if (!query.has("code") || !begun || query.get("state") !== begun.state) return;
    sessionStorage.removeItem(BEGUN);
    history.replaceState(null, "", this.home + (begun.hash || "#/feeds"));
    await this.#ask({ grant_type: "authorization_code", code: query.get("code") ?? "", redirect_uri: this.home, code_verifier: begun.verifier });
  }

  async signIn() {
    const [verifier, state] = [random(), random()];
    sessionStorage.setItem(BEGUN, JSON.stringify({ verifier, state, hash: location.hash }));
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
    const query = new URLSearchParams({
      client_id: this.config.clientId,
      response_type: "code",
      redirect_uri: this.home,
      scope: this.config.scopes.join(" "),
      state,
      code_challenge: base64url(new Uint8Array(digest)),
      code_challenge_method: "S256",
    });
    location.assign(`${this.config.authority}/oauth2/v2.0/authorize?${query}`);
  }

  async signOut() {
    localStorage.removeItem(KEPT);
    location.assign(this.home);
  }

  async token() {
    const kept = this.#kept();
    if (!kept) throw new SignedOut();
    if (kept.until - EARLY > Date.now()) return kept.accessToken;
    this.asking ??= this.#ask({ grant_type: "refresh_token", refresh_token: kept.refreshToken }).finally(() => {
      this.asking = null;
    });
    return this.asking;
  }

  /** @param {Record<string, string>} grant @returns {Promise<string>} */
  async #ask(grant) {
    const { clientId, scopes, authority } = this.config;
    const body = new URLSearchParams({ client_id: clientId, scope: scopes.join(" "), ...grant });
    const answer = await fetch(`${authority}/oauth2/v2.0/token`, { method: "POST", body }).catch(() => {
      throw new AuthorityAway();
    });
    if (!answer.ok) {
      localStorage.removeItem(KEPT);
      throw new SignedOut();
    }
    const said = await answer.json();
    const claims = said.id_token ? claimsOf(said.id_token) : null;
    const account = claims ? { id: claims.oid.toLowerCase(), name: claims.name, address: claims.preferred_username } : this.account;
    const until = Date.now() + said.expires_in * 1000;
    const kept = { account, accessToken: said.access_token, refreshToken: said.refresh_token, until };
    localStorage.setItem(KEPT, JSON.stringify(kept));
    return said.access_token;
  }

  #kept() {
    return JSON.parse(localStorage.getItem(KEPT) ?? "null");
  }
}

function random() {
  return base64url(crypto.getRandomValues(new Uint8Array(32)));
}

/** @param {Uint8Array} bytes */
function base64url(bytes) {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** What a token says, for showing: the API checks it. @param {string} token */
function claimsOf(token) {
  const text = atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/"));
  return JSON.parse(new TextDecoder().decode(Uint8Array.from(text, (letter) => letter.charCodeAt(0))));
}
