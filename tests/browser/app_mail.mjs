// A person connects their mailbox, reads, answers, moves and deletes: with a network, without one, and where Graph refuses.

import { atTheBrowser, graph, happen, live, newContext, newTab, overflow, seen, sendMail, signIn, told, violations } from "./person.mjs";

const [mine, theirs] = told.world.mailboxes;
const HOSTILE = `
  <style>body { background: url(${told.helm}/style.gif) }</style>
  <p id="main">Please <a href="javascript:parent.pwned='link'">click</a> or <a href="https://example.com/">read</a>.</p>
  <script>parent.pwned = "script"</script>
  <img src="x" onerror="parent.pwned = 'handler'">
  <img src="${told.helm}/pixel.gif" width="1" height="1">
  <svg onload="parent.pwned = 'svg'"><script>parent.pwned = "svg script"</script></svg>
  <iframe srcdoc="<script>top.pwned = 'frame'</script>"></iframe>
  <form action="https://example.com/steal"><input name="password"><button>Sign in again</button></form>
  <meta http-equiv="refresh" content="0; url=https://example.com/"><base href="https://example.com/">
  <table><tr><td style="color: #a8326f">Numbers</td><td>12,000</td></tr></table>`;

/** How many replies with this text have gone out. */
async function sent(text) {
  const { value } = await graph("GET", `users/${mine.user}/mailFolders/sentitems/messages?$top=100`);
  return value.filter((mail) => (mail.body?.content ?? mail.bodyPreview ?? "").includes(text)).length;
}

/** Look until it is so. */
async function until(what, is) {
  for (let tries = 0; tries < 200; tries += 1) {
    if (await is()) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`it never came to be: ${what}`);
}

await atTheBrowser(async (browser) => {
  const context = await newContext(browser);
  const page = await signIn(context, "Adele Vance", `${told.app}/api/app#/mail`);
  await page.getByRole("heading", { name: "Your mailbox, live" }).waitFor();
  seen.welcome = await violations(page);
  await sendMail(theirs, mine, "Before", "<p>It was here before anybody looked.</p>");
  await page.getByRole("button", { name: "Connect my mailbox" }).click();
  const row = (subject) => page.locator(".mail a.row", { hasText: subject });
  const openMail = async (subject) => {
    await row(subject).click();
    await page.getByRole("heading", { name: subject }).waitFor();
  };
  await row("Before").waitFor();

  // a mail comes in: on the screen, in the title, announced
  await page.locator(".mail[data-live=true]").waitFor();
  const begun = Date.now();
  await sendMail(theirs, mine, "Offer for the new office", "<p>Dear Adele,</p><p>our offer is <b>attached</b>: 120 m², from March on. Would Thursday suit you for a visit?</p><p>Best, Megan</p>");
  await row("Offer").waitFor();
  seen.wait = Date.now() - begun;
  await page.locator("#told", { hasText: "New mail from Megan Bowen" }).waitFor();
  await page.locator("#to-mail .count", { hasText: "2 unread" }).waitFor();

  // reading marks it as read, here and at Graph
  await row("Offer").focus();
  await page.keyboard.press("Enter");
  const frame = page.frameLocator("iframe.paper");
  await frame.getByText("our offer is").waitFor();
  await page.locator(".mail a.row:not(.unread)", { hasText: "Offer" }).waitFor();
  const all = async () => (await graph("GET", `users/${mine.user}/messages?$top=100`)).value;
  await until("it is read at Graph", async () => (await all()).find(({ subject }) => subject.startsWith("Offer"))?.isRead);

  // a reply that is half written is still there after a reload
  await page.getByRole("button", { name: "Reply" }).click();
  await page.getByLabel(/Your reply/).fill("Thursday at ten");
  await page.getByLabel(/Your reply/).press("End");
  await page.waitForFunction(() => indexedDB.databases().then(([{ name }]) => new Promise((resolve) => {
    const opened = indexedDB.open(name);
    opened.onsuccess = () => {
      const asked = opened.result.transaction("notes").objectStore("notes").getAllKeys();
      asked.onsuccess = () => resolve(asked.result.some((key) => String(key).startsWith("draft:")) && (opened.result.close(), true));
    };
  })));
  seen.light = await violations(page);
  await page.emulateMedia({ colorScheme: "dark" });
  seen.dark = await violations(page);
  await page.emulateMedia({ colorScheme: "light" });
  await page.reload();
  await page.getByLabel(/Your reply/).waitFor();
  seen.draft = await page.getByLabel(/Your reply/).inputValue();
  await page.getByLabel(/Your reply/).fill("Thursday at ten is fine.");
  await page.getByLabel(/Your reply/).press("Control+Enter");
  await until("the reply is sent", async () => (await sent("Thursday at ten is fine.")) === 1);
  await page.locator("#outbox").waitFor({ state: "hidden" });

  // what a stranger wrote: shown, and without any power
  await sendMail(theirs, mine, "Hostile", HOSTILE);
  seen.before = seen.errors.length;
  await openMail("Hostile");
  await frame.getByText("12,000").waitFor();
  await page.locator(".blocked", { hasText: "not loaded" }).waitFor();
  seen.pwned = await page.evaluate(() => globalThis.pwned ?? null);
  seen.hostile = await frame.locator("body").innerHTML();
  seen.styled = await frame.locator("td").first().evaluate((cell) => getComputedStyle(cell).color);
  seen.link = await frame.getByText("click").getAttribute("href");
  await page.getByRole("button", { name: "Load images" }).click();
  await frame.getByText("12,000").waitFor();
  seen.still = await page.evaluate(() => globalThis.pwned ?? null);
  seen.errors.splice(seen.before); // each of them is a power that it did not get

  // offline: actions wait where they can be seen, also over a reload, and are done once
  await sendMail(theirs, mine, "To be moved", "<p>Into the archive.</p>");
  await sendMail(theirs, mine, "To be deleted", "<p>Away with it.</p>");
  await sendMail(theirs, mine, "To be answered", "<p>Yes or no?</p>");
  await sendMail(theirs, mine, "To vanish", "<p>Somebody else deletes this.</p>");
  for (const subject of ["To be moved", "To be deleted", "To be answered", "To vanish"]) {
    await openMail(subject);
    await frame.locator("p").first().waitFor();
    await page.locator(".mail a.row:not(.unread)", { hasText: subject }).waitFor();
  }
  await until("nothing is under way", () => page.locator("#outbox").isHidden());
  const second = await newTab(context, page.url());
  await live(second);
  await context.setOffline(true);
  await page.locator("#live[data-state=offline]").waitFor();
  await openMail("To be moved");
  await page.getByLabel("Move to").selectOption({ label: "Archive" });
  await row("To be moved").waitFor({ state: "detached" });
  await openMail("To be deleted");
  await page.getByRole("button", { name: "Delete", exact: true }).click();
  await row("To be deleted").waitFor({ state: "detached" });
  seen.next = await page.evaluate(() => document.activeElement.className);
  for (const [subject, text] of [["To be answered", "Yes, offline."], ["To vanish", "Too late, it seems."]]) {
    await openMail(subject);
    await page.getByRole("button", { name: "Reply" }).click();
    await page.getByLabel(/Your reply/).fill(text);
    await page.getByRole("button", { name: "Send" }).click();
  }
  await page.locator("#outbox summary", { hasText: "4 actions wait" }).waitFor();
  seen.waiting = await page.locator("#outbox summary").innerText();
  await page.locator("#outbox summary").click();
  seen.waitingViolations = await violations(page);
  await page.reload();
  await page.locator("#outbox summary").waitFor();
  seen.afterReload = await page.locator("#outbox summary").innerText();
  await second.locator("#outbox summary", { hasText: seen.afterReload }).waitFor({ state: "attached" });
  const vanished = (await all()).find(({ subject }) => subject === "To vanish");
  await graph("DELETE", `users/${mine.user}/messages/${vanished.id}`);
  seen.sentBefore = [await sent("Yes, offline."), await sent("Too late, it seems.")];
  await context.setOffline(false);
  await until("the answer is sent", async () => (await sent("Yes, offline.")) === 1);

  // what Graph refuses is said in its words, with the text that would else be lost
  await page.locator("#outbox li[data-state=refused]").waitFor();
  seen.refused = await page.locator("#outbox li[data-state=refused]").innerText();
  seen.summary = await page.locator("#outbox summary").innerText();
  seen.refusedViolations = await violations(page);
  await page.getByRole("button", { name: "Try again" }).click();
  await page.locator("#outbox li[data-state=refused]").waitFor();
  await page.getByRole("button", { name: "Discard" }).click();
  await page.locator("#outbox").waitFor({ state: "hidden" });
  await second.locator("#outbox").waitFor({ state: "hidden" });
  const subjects = (await graph("GET", `users/${mine.user}/mailFolders/archive/messages`)).value.map(({ subject }) => subject);
  const inbox = (await graph("GET", `users/${mine.user}/mailFolders/inbox/messages?$top=100`)).value.map(({ subject }) => subject);
  seen.archived = subjects.includes("To be moved");
  seen.deleted = !inbox.includes("To be deleted");
  seen.sentOnce = [await sent("Yes, offline."), await sent("Thursday at ten is fine.")];
  await second.close();

  // what somebody does elsewhere shows here
  const offer = (await all()).find(({ subject }) => subject.startsWith("Offer"));
  await graph("DELETE", `users/${mine.user}/messages/${offer.id}`);
  await row("Offer").waitFor({ state: "detached" });

  // another folder, and a phone
  await page.getByLabel("Folder", { exact: true }).selectOption({ label: "Archive" });
  await row("To be moved").waitFor();
  seen.wide = await overflow(page);
  const phone = await newContext(browser, { phone: true, dark: true, storageState: await context.storageState() });
  const small = await newTab(phone, `${told.app}/api/app#/mail`);
  await live(small);
  await small.locator(".mail a.row", { hasText: "To be answered" }).tap();
  await small.frameLocator("iframe.paper").getByText("Yes or no?").waitFor();
  seen.narrow = await overflow(small);
  seen.phone = await violations(small);

  // nobody else sees any of it; and disconnecting forgets it
  const other = await signIn(await newContext(browser), "Lynne Robbins", `${told.app}/api/app#/mail`);
  await other.getByRole("heading", { name: "Your mailbox, live" }).waitFor();
  seen.others = await other.locator(".mail a.row").count();
  await page.locator(".mail summary").click();
  await page.getByRole("button", { name: "Disconnect the mailbox" }).click();
  await page.getByRole("button", { name: "Connect my mailbox" }).waitFor();
  const heard = async () => (await (await fetch(`${told.graph}/_sim/subscriptions`)).json()).subscriptions.map(({ resource }) => resource);
  const isMine = (resource) => resource.toLowerCase().includes(mine.user) && resource.includes("mailFolders");
  await until("nothing is heard any more", async () => !(await heard()).some(isMine));
  seen.kept = await page.evaluate(() => indexedDB.databases().then(([{ name }]) => new Promise((resolve) => {
    const opened = indexedDB.open(name);
    opened.onsuccess = () => {
      const asked = opened.result.transaction("mails").objectStore("mails").count();
      asked.onsuccess = () => resolve(asked.result);
    };
  })));
});
