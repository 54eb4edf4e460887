// A person at the page: signs in, looks, types. And what happens elsewhere meanwhile: in the tenant, on the network.
// Every script is told where things are by its one argument, and prints what it saw as its last line.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

export const told = JSON.parse(process.argv[2]);
const require = createRequire(path.join(told.modules, "package.json"));
const { chromium } = require("playwright-core");
const AXE = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const PATIENCE = 40_000;

export const seen = { errors: [] };

/** Do all this in a browser, and print what was seen. */
export async function atTheBrowser(work) {
  const browser = await chromium.launch({ executablePath: told.chromium, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
  try {
    await work(browser);
  } finally {
    await browser.close();
  }
  console.log(JSON.stringify(seen));
}

/** A browser of its own, with nothing kept in it; `phone` is a small one. */
export async function newContext(browser, { phone = false, dark = false, ...options } = {}) {
  const context = await browser.newContext({
    viewport: phone ? { width: 390, height: 844 } : { width: 1280, height: 860 },
    hasTouch: phone,
    colorScheme: dark ? "dark" : "light",
    locale: "en-US",
    timezoneId: "Europe/Berlin",
    ...options,
  });
  context.setDefaultTimeout(PATIENCE);
  return context;
}

/** A tab that notes everything that goes wrong in it. */
export async function newTab(context, address = `${told.app}/api/app`) {
  const page = await context.newPage();
  page.on("pageerror", (error) => seen.errors.push(error.message));
  page.on("console", (message) => message.type() === "error" && seen.errors.push(message.text()));
  await page.goto(address);
  return page;
}

/** Open the page and sign in at the simulator. */
export async function signIn(context, name, address) {
  const page = await newTab(context, address);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("link", { name }).click();
  await live(page);
  return page;
}

/** Wait until the page says that it is live. */
export function live(page) {
  return page.locator("#live[data-state=live]").waitFor();
}

/** What axe finds wrong with what is on the screen; what strangers wrote in frames is theirs. */
export async function violations(page) {
  await page.evaluate(AXE);
  const found = await page.evaluate(() => globalThis.axe.run(document, { iframes: false }));
  return found.violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.target.join(" ")).slice(0, 3).join(" | ")}`);
}

/** How many pixels the page is wider than its window. */
export function overflow(page) {
  return page.evaluate(() => document.scrollingElement.scrollWidth - document.documentElement.clientWidth);
}

/** Take a picture for the documentation, where somebody wants one. */
export async function picture(page, name) {
  if (told.screenshots) await page.screenshot({ path: path.join(told.screenshots, `${name}.png`), animations: "disabled" });
}

/** The texts of the messages on the screen, in order. */
export function messages(page) {
  return page.locator(".messages .message .body").allTextContents();
}

/** Have something happen in the tenant, by hand. */
export async function happen(what, body) {
  const answer = await fetch(`${told.graph}/_sim/${what}`, { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } });
  if (!answer.ok) throw new Error(`${what}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}

/** Ask Graph as an app may. */
export async function graph(method, address, body) {
  const form = new URLSearchParams({ grant_type: "client_credentials", client_id: "c", client_secret: "any", scope: "https://graph.microsoft.com/.default" });
  const { access_token: token } = await (await fetch(`${told.graph}/${told.world.tenant}/oauth2/v2.0/token`, { method: "POST", body: form })).json();
  const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
  const answer = await fetch(`${told.graph}/v1.0/${address}`, { method, headers, body: body && JSON.stringify(body) });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${address}: ${answer.status} ${text}`);
  return text ? JSON.parse(text) : null;
}

/** Send a mail from one person of the tenant to another. */
export async function sendMail(from, to, subject, html) {
  const message = { subject, body: { contentType: "html", content: html }, toRecipients: [{ emailAddress: { address: to.address } }] };
  await graph("POST", `users/${from.user}/sendMail`, { message });
}

/** Have the test do what only it can. */
export async function order(name) {
  await fetch(`${told.helm}/${name}`, { method: "POST" });
}
