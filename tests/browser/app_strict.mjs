// The page as a browser sees it that was never here: how fast, how much, and how little it lets anybody do. Sign-in is Microsoft's
// own library, at an authority that speaks https.

import { atTheBrowser, newContext, newTab, seen, told, violations } from "./person.mjs";

await atTheBrowser(async (browser) => {
  const context = await newContext(browser, { ignoreHTTPSErrors: true, serviceWorkers: "block" });
  const page = await context.newPage();
  page.on("pageerror", (error) => seen.errors.push(error.message));
  page.on("console", (message) => message.type() === "error" && seen.errors.push(message.text()));
  const wire = await context.newCDPSession(page);
  await wire.send("Network.enable");
  const [urls, sizes] = [new Map(), new Map()];
  wire.on("Network.responseReceived", ({ requestId, response }) => urls.set(requestId, response.url));
  wire.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
    const url = urls.get(requestId) ?? "";
    if (url.startsWith(`${told.app}/api/app`)) sizes.set(url.split("?")[0], Math.max(encodedDataLength, sizes.get(url) ?? 0));
  });
  await page.goto(`${told.app}/api/app`);
  await page.getByRole("button", { name: "Sign in" }).waitFor();
  seen.paint = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0].startTime);
  seen.violations = await violations(page);

  // there and back with MSAL; the API is called with the token that came of it
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("link", { name: "Adele Vance" }).click();
  await page.getByText("Signed in as Adele Vance").waitFor({ state: "attached" });
  await page.getByText("No feed yet that you may see.").waitFor();
  seen.state = await page.locator("#live .words").textContent();
  seen.bytes = [...sizes.values()].reduce((sum, size) => sum + size, 0);
  seen.files = sizes.size;
  await page.reload();
  await page.getByText("No feed yet that you may see.").waitFor();
  const other = await newTab(context);
  await other.getByText("No feed yet that you may see.").waitFor();
  await other.close();

  // what somebody who got some text into the page could try
  await page.waitForLoadState("networkidle");
  seen.before = [...seen.errors];
  seen.tries = await page.evaluate(async () => {
    await new Promise((resolve) => setTimeout(resolve)); // what the debugger itself runs may do more
    const blocked = [];
    document.addEventListener("securitypolicyviolation", (event) => blocked.push(event.effectiveDirective));
    const refusal = (attempt) => {
      try {
        attempt();
        return "allowed";
      } catch (problem) {
        return problem.name;
      }
    };
    const tries = {
      html: refusal(() => (document.createElement("div").innerHTML = "<img src=x onerror='pwned = 1'>")),
      evaluated: refusal(() => eval("pwned = 2")),
      written: refusal(() => document.write("<script>pwned = 3</script>")),
      policy: refusal(() => globalThis.trustedTypes.createPolicy("mine", {})),
    };
    const script = document.createElement("script");
    script.append("pwned = 4");
    refusal(() => document.body.append(script));
    const button = document.createElement("button");
    refusal(() => button.setAttribute("onclick", "pwned = 5"));
    button.click();
    const style = document.createElement("style");
    style.append("body { display: none }");
    document.head.append(style);
    const elsewhere = await fetch("https://example.com/").then(() => "allowed", (problem) => problem.name);
    const image = await new Promise((resolve) => {
      const made = new Image();
      made.onload = () => resolve("allowed");
      made.onerror = () => resolve("refused");
      made.src = "https://example.com/x.png";
    });
    await new Promise((resolve) => setTimeout(resolve, 0));
    return { ...tries, elsewhere, image, pwned: globalThis.pwned ?? null, hidden: getComputedStyle(document.body).display === "none", blocked: [...new Set(blocked)].sort() };
  });
});
