// A person reads feeds: live, away, back, in two tabs, in the dark and on a phone.

import { atTheBrowser, happen, live, messages, newContext, newTab, order, overflow, seen, signIn, told, violations } from "./person.mjs";

const [general, launch] = told.world.channels;

await atTheBrowser(async (browser) => {
  const context = await newContext(browser);
  const first = await happen("post", { where: general.path, text: "The release candidate is on staging since seven.", from: "Megan Bowen" });
  await happen("post", { where: general.path, text: "Please try the import of large files, that is where it hurt last time.", from: "Megan Bowen" });
  await happen("post", { where: launch.path, text: "Agenda: https://example.com/agenda", from: "Alex Wilber" });
  const page = await signIn(context, "Adele Vance");

  // open the feed of the first channel with the keyboard
  await page.locator(".side .row").first().waitFor();
  await page.locator(".side .row", { hasText: /General|Megan/ }).focus();
  await page.keyboard.press("Enter");
  await page.locator(".message", { hasText: "import of large files" }).waitFor();

  // what is written elsewhere appears by itself, soon
  const waits = [];
  for (let number = 1; number <= 20; number += 1) {
    const begun = Date.now();
    await happen("post", { where: general.path, text: `Build ${number} is green.`, from: "Nestor Wilke" });
    await page.locator(".message", { hasText: `Build ${number} is green.` }).waitFor();
    waits.push(Date.now() - begun);
  }
  seen.waits = waits.sort((one, other) => one - other);
  await page.locator("#told", { hasText: "Nestor Wilke wrote in" }).waitFor();

  // an answer, an edit, a reaction and a deletion
  await happen("post", { where: general.path, text: "Works here: 2 GB in four minutes.", from: "Alex Wilber", replyTo: first.id });
  await page.locator(".message", { hasText: "2 GB" }).locator(".quoted", { hasText: "Megan Bowen" }).waitFor();
  const asked = await happen("post", { where: general.path, text: "Shall we ship on Thursday?", from: "Joni Sherman" });
  await page.locator(".message", { hasText: "on Thursday" }).waitFor();
  await happen("edit", { resource: asked.resource, text: "Shall we ship on Wednesday, before the freeze?" });
  await page.locator(".message", { hasText: "on Wednesday" }).locator(".tag", { hasText: "edited" }).waitFor();
  const wrong = await happen("post", { where: general.path, text: "Sorry, wrong window.", from: "Lynne Robbins" });
  await page.locator(".message", { hasText: "wrong window" }).waitFor();
  await happen("delete", { resource: wrong.resource });
  await page.locator(".message.deleted", { hasText: "Lynne Robbins" }).waitFor();
  seen.deleted = await page.locator(".message.deleted").innerText();
  await happen("react", { resource: first.resource, reaction: "heart", from: "Alex Wilber" });
  await page.locator(".message .reaction").waitFor();

  // what happens in another feed is counted there, and in the title
  await happen("post", { where: launch.path, text: "The press text is ready.", from: "Lynne Robbins" });
  await page.locator(".side .row.unread .count", { hasText: "1" }).waitFor();
  seen.title = await page.title();
  seen.light = await violations(page);
  await page.emulateMedia({ colorScheme: "dark" });
  seen.dark = await violations(page);
  await page.emulateMedia({ colorScheme: "light" });

  // arrow keys go through the messages
  await page.locator(".messages .message").last().focus();
  await page.keyboard.press("ArrowUp");
  await page.keyboard.press("Home");
  seen.focused = await page.evaluate(() => document.activeElement.querySelector(".body").textContent);

  // a second tab shows the same
  const second = await newTab(context, page.url());
  await live(second);
  await second.locator(".message", { hasText: "Build 20" }).waitFor();
  const both = "Said once, heard in both tabs.";
  await happen("post", { where: general.path, text: both, from: "Nestor Wilke" });
  await Promise.all([page, second].map((tab) => tab.locator(".message", { hasText: both }).waitFor()));
  seen.twice = await Promise.all([page, second].map((tab) => tab.locator(".message", { hasText: both }).count()));
  await second.close();

  // the service drops the connection: the page comes back by itself, and has missed nothing
  await order("drop");
  await happen("post", { where: general.path, text: "Written while the connection was away.", from: "Megan Bowen" });
  await page.locator(".message", { hasText: "while the connection was away" }).waitFor();
  await live(page);

  // offline: what is known stays, also over a reload; nothing is lost and nothing shows twice when the network is back
  await context.setOffline(true);
  await page.locator("#live[data-state=offline]").waitFor();
  for (let number = 1; number <= 7; number += 1) {
    await happen("post", { where: general.path, text: `Missed ${number}`, from: "Megan Bowen" });
  }
  await page.reload();
  await page.locator(".message", { hasText: "while the connection was away" }).waitFor();
  seen.offlineState = await page.locator("#live .words").textContent();
  seen.offline = (await messages(page)).filter((text) => text.startsWith("Missed"));
  seen.offlineViolations = await violations(page);
  await page.evaluate(longAgo);
  await page.reload(); // twelve minutes later, as the page sees it
  await page.locator(".message", { hasText: "while the connection was away" }).waitFor();
  await context.setOffline(false);
  await page.locator(".message", { hasText: "Missed 7" }).waitFor();
  await live(page);
  await page.locator(".notice[data-kind=away]").waitFor();
  seen.away = await page.locator(".notice[data-kind=away] p").textContent();
  seen.back = (await messages(page)).filter((text) => text.startsWith("Missed"));
  seen.line = await page.locator(".messages .new").innerText();
  await page.reload();
  await page.locator(".message", { hasText: "Missed 7" }).waitFor();
  await live(page);
  seen.reloaded = (await messages(page)).filter((text) => text.startsWith("Missed"));
  await page.locator(".reading h1", { hasText: "General" }).waitFor(); // by now Graph has told, however slow it was
  seen.place = await page.locator(".reading .sub").innerText();

  seen.wide = await overflow(page);
  const storageState = await context.storageState();
  const phone = await newContext(browser, { phone: true, storageState });
  const small = await newTab(phone, `${told.app}/api/app#/feeds`);
  await live(small);
  await small.locator(".side .row").first().waitFor();
  seen.narrow = [await overflow(small)];
  await small.locator(".side .row", { hasText: /General|Megan/ }).tap();
  await small.locator(".message", { hasText: "Missed 7" }).waitFor();
  seen.narrow.push(await overflow(small));
  seen.phone = await violations(small);
  await small.locator(".back", { hasText: "All feeds" }).tap();
  await small.locator(".side").waitFor();

  // signing out removes what was kept
  await small.locator("#who summary").tap();
  await small.getByRole("button", { name: "Sign out" }).tap();
  await small.getByRole("button", { name: "Sign in" }).waitFor();
  seen.left = await small.evaluate(() => indexedDB.databases());
  seen.signInViolations = await violations(small);
});

/** Have the page believe that it was last up to date twelve minutes ago. */
function longAgo() {
  return new Promise((resolve, reject) => {
    indexedDB.databases().then(([{ name }]) => {
      const opened = indexedDB.open(name);
      opened.onsuccess = () => {
        const change = opened.result.transaction("notes", "readwrite");
        change.objectStore("notes").put(Date.now() - 12.5 * 60_000, "lastSeen");
        change.oncomplete = () => resolve(opened.result.close());
        change.onabort = reject;
      };
    });
  });
}
