// Takes the picture of the documentation: the page after a while of real traffic, light, 1280 pixels wide.
// Usage: node picture.mjs {"url", "chromium", "modules", "file"}

import { createRequire } from "node:module";
import path from "node:path";

const { url, chromium: executablePath, modules, file } = JSON.parse(process.argv[2]);
const { chromium } = createRequire(path.join(modules, "package.json"))("playwright-core");

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 1420 }, colorScheme: "light" });
  await page.goto(url);
  await page.locator("#connection.on").waitFor();
  await page.locator("#findings li").first().waitFor();
  await page.locator("#entries button").first().waitFor();
  await page.screenshot({ path: file });
} finally {
  await browser.close();
}
console.log(JSON.stringify({ file }));
