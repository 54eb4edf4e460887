// Who looks at the page, and the token that shows it to the API. MSAL does the work, but for the simulator on this machine.

import { loadMsal } from "./vendor.mjs";

/**
 * @typedef {{ clientId: string, authority: string, scopes: string[], signIn: "msal" | "simulator" }} Config
 * @typedef {{ id: string, name: string, address: string }} Account
 * @typedef {{ account: Account | null, signIn(): Promise<void>, signOut(): Promise<void>, token(): Promise<string> }} SignIn
 */

/** The person has to sign in again. */
export class SignedOut extends Error {}

/** There is no way to ask the authority right now. */
export class AuthorityAway extends Error {}

/** @param {Config} config @returns {Promise<SignIn>} */
export async function openSignIn(config) {
  const chosen = config.signIn === "simulator" ? await simulatorSignIn(config) : new MsalSignIn(config);
  await chosen.open();
  return chosen;
}

/** @param {Config} config */
async function simulatorSignIn(config) {
  const { SimulatorSignIn } = await import("./sign-in-simulator.mjs");
  return new SimulatorSignIn(config);
}

/** Sign-in with Microsoft's library, by sending the browser there and back. @implements {SignIn} */
class MsalSignIn {
  /** @param {Config} config */
  constructor(config) {
    this.config = config;
    /** @type {import("@azure/msal-browser").IPublicClientApplication | null} */
    this.app = null;
    /** @type {Account | null} */
    this.account = null;
  }

  async open() {
    const msal = await loadMsal();
    const { clientId, authority } = this.config;
    const host = new URL(authority).host;
    const known = /\.(com|us|cn)$/.test(host) && host.startsWith("login.");
    this.msal = msal;
    this.app = await msal.createStandardPublicClientApplication({
      auth: {
        clientId,
        authority,
        knownAuthorities: known ? [] : [host],
        redirectUri: `${location.origin}/api/app`,
        postLogoutRedirectUri: `${location.origin}/api/app`,
      },
      cache: { cacheLocation: "localStorage" }, // both tabs are signed in, and a reload too
      system: { loggerOptions: { loggerCallback: () => undefined, piiLoggingEnabled: false } },
    });
    const back = await this.app.handleRedirectPromise();
    const account = back?.account ?? this.app.getActiveAccount() ?? this.app.getAllAccounts()[0] ?? null;
    this.app.setActiveAccount(account);
    this.account = account && { id: account.localAccountId.toLowerCase(), name: account.name ?? "", address: account.username };
  }

  async signIn() {
    await this.app?.loginRedirect({ scopes: this.config.scopes });
  }

  async signOut() {
    await this.app?.logoutRedirect({ account: this.app.getActiveAccount() });
  }

  async token() {
    const { app, msal } = this;
    if (!app || !msal) throw new SignedOut();
    try {
      const silently = {
        scopes: this.config.scopes,
        account: app.getActiveAccount() ?? undefined,
        cacheLookupPolicy: msal.CacheLookupPolicy.AccessTokenAndRefreshToken, // a hidden frame would need a looser policy
      };
      return (await app.acquireTokenSilent(silently)).accessToken;
    } catch (problem) {
      if (!navigator.onLine || (problem instanceof msal.ClientAuthError && problem.errorCode === "no_network_connectivity")) {
        throw new AuthorityAway();
      }
      if (problem instanceof msal.InteractionRequiredAuthError) throw new SignedOut();
      throw new AuthorityAway();
    }
  }
}
