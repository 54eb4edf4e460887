// Looks at the simulator's page as a person would, and prints what was seen as one line of JSON.
// Usage: node look.mjs {"url", "chromium", "modules", "screenshots"}

import { createRequire } from "node:module";
import path from "node:path";

const { url, chromium: executablePath, modules, screenshots } = JSON.parse(process.argv[2]);
const { chromium } = createRequire(path.join(modules, "package.json"))("playwright-core");

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
const seen = { errors: [] };
try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, colorScheme: "light" });
  page.setDefaultTimeout(15_000);
  page.on("pageerror", (error) => seen.errors.push(error.message));
  page.on("console", (message) => message.type() === "error" && seen.errors.push(message.text()));
  let loads = 0;
  page.on("load", () => { loads += 1; });

  await page.goto(url);
  await page.locator("#connection.on").waitFor();
  await page.locator("#entries button").first().waitFor();
  seen.subscriptions = await page.locator("#live tr").count();
  seen.before = await page.locator("#attempts tr").count();

  // by keyboard only: the text field, then Enter
  await page.locator("#text").focus();
  await page.keyboard.type("written on the page");
  await page.keyboard.press("Enter");
  await page.locator("#changes li", { hasText: "written on the page" }).waitFor();
  await page.locator("#attempts tr").first().waitFor();
  seen.answer = await page.locator("#attempts tr td").nth(4).textContent();

  // whose state it is, the host's or the URL's, depends on a knob
  await page.locator("#live td.good", { hasText: "well" }).first().waitFor();
  seen.states = await page.locator("#live tr td:nth-child(5)").allTextContents();

  await page.locator("summary").click();
  await page.locator("#people li", { hasText: "written on the page" }).waitFor();

  await page.locator("#knob-duplicate_subscriptions").selectOption("accept");
  await page.locator(".knob.turned #knob-duplicate_subscriptions").waitFor();

  await page.locator("#entries button", { hasText: "A wrong clientState" }).click();
  await page.locator("#played[open]").waitFor();
  seen.played = await page.locator("#played-steps li").count();
  seen.wrongSteps = await page.locator("#played-steps li.bad").count();
  await page.keyboard.press("Escape");
  await page.locator("#forged", { hasText: "1" }).waitFor();

  await page.locator("#findings li").first().waitFor();
  seen.finding = await page.locator("#findings li strong").first().textContent();
  seen.page = await page.locator("#findings li a").first().getAttribute("href");

  const before = await page.locator("#now").textContent();
  await page.locator("[data-advance='86400']").click();
  await page.waitForFunction((then) => document.getElementById("now").textContent.slice(0, 10) !== then.slice(0, 10), before);
  await page.locator("#no-subscriptions:not([hidden])").waitFor();
  seen.afterADay = await page.locator("#live tr").count();

  seen.loads = loads;
  seen.text = await page.content();
  seen.wide = await overflow(page);
  await page.setViewportSize({ width: 390, height: 800 });
  seen.narrow = await overflow(page);
  if (screenshots) await page.screenshot({ path: path.join(screenshots, "simulator-page-phone.png") });
  await page.emulateMedia({ colorScheme: "dark" });
  seen.dark = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
} finally {
  await browser.close();
}
console.log(JSON.stringify(seen));

// How many pixels the page is wider than its window.
function overflow(page) {
  return page.evaluate(() => document.scrollingElement.scrollWidth - document.documentElement.clientWidth);
}
