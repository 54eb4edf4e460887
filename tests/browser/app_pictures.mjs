// Takes the pictures of the documentation: a channel and a mailbox after a morning's work, light, dark and on a phone.

import { atTheBrowser, happen, live, newContext, newTab, picture, seen, sendMail, signIn, told } from "./person.mjs";

const [, launch, desk] = told.world.channels;
const [adele, megan] = told.world.mailboxes;

/** What people write, each after the one before. */
async function converse(where, lines) {
  const written = [];
  for (const [from, text, more] of lines) {
    written.push(await happen("post", { where: where.path, from, text, ...(more && more(written)) }));
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
  return written;
}

await atTheBrowser(async (browser) => {
  await converse(launch, [["Lynne Robbins", "The press text is with legal; they promised an answer by noon."]]);
  const talk = await converse(desk, [
    ["Nestor Wilke", "Good morning! Since seven we see time-outs when people import large files. Twelve tickets so far."],
    ["Nestor Wilke", "All of them are on the new gateway: https://status.contoso.com/gateway"],
    ["Alex Wilber", "I can reproduce it: anything above 500 MB."],
    ["Alex Wilber", "Small files are fine, and so is the old gateway."],
    ["Joni Sherman", "Could it be the idle timeout? It went from 120 to 30 seconds in last night's change.", (all) => ({ replyTo: all[0].id })],
    ["Lynne Robbins", "It could. Rolling it back now."],
    ["Nestor Wilke", "Wrong thread, sorry."],
    ["Lynne Robbins", "Done. Please try agian."],
    ["Alex Wilber", "Works: 2 GB in four minutes.", (all) => ({ replyTo: all[7].id })],
  ]);
  await happen("edit", { resource: talk[7].resource, text: "Done. Please try again." });
  const desktop = await newContext(browser);
  const page = await signIn(desktop, "Megan Bowen");
  await page.locator(".side .row", { hasText: /Support desk|Nestor/ }).click();
  await page.locator(".message", { hasText: "2 GB" }).waitFor();
  await happen("delete", { resource: talk[6].resource });
  await page.locator(".message.deleted", { hasText: "Nestor Wilke" }).waitFor();
  await happen("post", { where: launch.path, from: "Lynne Robbins", text: "Legal said yes. We can go at three." });
  await page.locator(".side .row.unread").waitFor();
  await page.mouse.move(700, 760);
  await picture(page, "page-feed");
  await page.emulateMedia({ colorScheme: "dark" });
  await picture(page, "page-feed-dark");
  await page.emulateMedia({ colorScheme: "light" });
  const phone = await newContext(browser, { phone: true, storageState: await desktop.storageState() });
  const small = await newTab(phone, page.url());
  await live(small);
  await small.locator(".message", { hasText: "2 GB" }).waitFor();
  await picture(small, "page-phone");
  seen.messages = await page.locator(".messages .message").count();

  await page.locator("#to-mail").click();
  await page.getByRole("button", { name: "Connect my mailbox" }).click();
  await page.locator(".mail[data-live=true]").waitFor();
  const others = told.world.people.filter(({ name }) => !["Adele Vance", "Megan Bowen"].includes(name));
  const from = (index) => ({ user: others[index].id });
  await sendMail(from(0), megan, "Minutes of Tuesday", "<p>Attached are the minutes. Two points are yours: the budget and the guest list.</p>");
  await sendMail(from(1), megan, "Your parking space", "<p>From Monday on it is number 41, next to the bicycles.</p>");
  await sendMail(from(2), megan, "Re: Gateway", "<p>Rolled back at 9:12. I will write down what we learned.</p>");
  await sendMail(
    adele,
    megan,
    "Offer for the new office",
    `<h2 style="color: #1f5fd6; margin-bottom: .3em">Harbour Street 12</h2><p>Dear Megan,</p><p>here are the three floors that we talked about:</p>
     <table cellpadding="7" style="border-collapse: collapse"><tr style="background: #eef1f6"><th align="left">Floor</th><th align="right">Area</th><th align="right">Rent</th><th align="left">Free from</th></tr>
     <tr><td>Ground floor</td><td align="right">140 m²</td><td align="right">2,900 €</td><td>March</td></tr><tr><td>Second</td><td align="right">120 m²</td><td align="right">2,600 €</td><td>April</td></tr>
     <tr><td>Third, with a terrace</td><td align="right">95 m²</td><td align="right">2,450 €</td><td>March</td></tr></table>
     <p>Would Thursday suit you for a visit?</p><p>Best regards<br>Adele</p><img src="https://example.com/pixel.gif" width="1" height="1">`,
  );
  await page.locator(".mail a.row", { hasText: "Offer" }).click();
  await page.frameLocator("iframe.paper").getByText("Thursday suit you").waitFor();
  await page.getByRole("button", { name: "Reply" }).click();
  await page.getByLabel(/Your reply/).fill("Thursday at ten is fine. Could we see the terrace too?");
  await page.locator(".mail a.row:not(.unread)", { hasText: "Offer" }).waitFor();
  await page.locator("#outbox").waitFor({ state: "hidden" });
  await picture(page, "page-mail");
  await page.emulateMedia({ colorScheme: "dark" });
  await picture(page, "page-mail-dark");
  await page.emulateMedia({ colorScheme: "light" });
  await desktop.setOffline(true);
  await page.getByRole("button", { name: "Send" }).click();
  await page.locator(".mail a.row", { hasText: "parking" }).click();
  await page.getByRole("heading", { name: "Your parking space" }).waitFor();
  await page.getByRole("button", { name: "Delete", exact: true }).click();
  await page.locator("#outbox summary", { hasText: "wait for the network" }).click();
  await picture(page, "page-offline");
  seen.waiting = await page.locator("#outbox li").count();
});
