// Looks at one feed in a real browser, and tells when each text was first painted. Told where things are by its one argument.
//
// It prints "ready" when it looks, and when its standard input ends, one line of JSON: milliseconds since the epoch, by text.

import { createRequire } from "node:module";
import path from "node:path";

const told = JSON.parse(process.argv[2]);
const require = createRequire(path.join(told.modules, "package.json"));
const { chromium } = require("playwright-core");

const browser = await chromium.launch({ executablePath: told.chromium, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 860 } });
  page.setDefaultTimeout(40_000);
  await page.goto(told.page);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("link", { name: told.person }).click();
  await page.locator(".side .row", { hasText: told.text }).click();
  await page.locator(".message", { hasText: told.text }).waitFor();
  await page.locator("#live[data-state=live]").waitFor();
  await page.evaluate(watch);
  console.log("ready");
  await new Promise((ended) => process.stdin.on("data", () => {}).on("end", ended));
  console.log(JSON.stringify(await page.evaluate(() => globalThis.painted)));
} finally {
  await browser.close();
}

/** Note the frame in which a message's mark (`#` and eight digits) is there for the first time. */
function watch() {
  globalThis.painted = {};
  const look = () => {
    requestAnimationFrame(() => {
      for (const message of document.querySelectorAll(".messages .message .body")) {
        for (const [mark] of message.textContent.matchAll(/#[0-9a-f]{8}/g)) globalThis.painted[mark] ??= Date.now();
      }
    });
  };
  new MutationObserver(look).observe(document.body, { childList: true, subtree: true, characterData: true });
}
