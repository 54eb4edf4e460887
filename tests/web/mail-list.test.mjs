import assert from "node:assert/strict";
import { test } from "node:test";

import { MailList, readMail } from "../../shared/web/js/mail-list.mjs";
import { chance } from "./making.mjs";

const mail = (id, told = {}) => ({ ...readMail({ id, subject: id, receivedDateTime: `2026-01-01T00:00:0${id.length}Z`, isRead: false }, "inbox"), ...told });

test("what is new is told apart from what is known", () => {
  const list = new MailList([mail("a")]);

  const { added, changed } = list.take({ mails: [mail("a"), mail("b")], folder: "inbox", age: 0 });

  assert.deepEqual([added.map(({ id }) => id), changed.map(({ id }) => id)], [["b"], ["b"]]);
});

test("an answer does not overtake what was heard after it was asked for", () => {
  const list = new MailList([mail("a")]);
  const { age } = list;
  list.hear([mail("a", { isRead: true })]);

  list.take({ mails: [mail("a")], folder: "inbox", age });
  assert.equal(list.mails.get("a").isRead, true);
  list.take({ mails: [mail("a")], folder: "inbox", age: list.age });
  assert.equal(list.mails.get("a").isRead, false);
});

test("what is gone is not brought back by an older answer", () => {
  const list = new MailList([mail("a")]);
  const { age } = list;
  list.lose(["a"]);

  list.take({ mails: [mail("a")], folder: "inbox", age });

  assert.equal(list.mails.size, 0);
});

test("what left a folder is still in the one that it went to", () => {
  const list = new MailList([mail("a")]);
  list.hear([mail("a", { folder: "archive" })]);

  list.take({ left: ["a"], folder: "inbox", age: list.age });

  assert.deepEqual(list.in("archive").map(({ id }) => id), ["a"]);
});

test("a body that is known stays when a list tells of the mail without it", () => {
  const body = { contentType: "html", content: "<p>hello</p>" };
  const list = new MailList([mail("a", { body })]);

  list.hear([mail("a", { isRead: true })]);

  assert.deepEqual(list.mails.get("a").body, body);
});

test("what an answer for the whole folder does not name is not there, unless it is older than the answer reaches", () => {
  const list = new MailList([mail("a"), mail("bbb"), mail("cccc", { folder: "archive" })]);

  const { gone } = list.replace({ mails: [mail("dd")], folder: "inbox", age: 0, since: "2026-01-01T00:00:02Z" });

  assert.deepEqual(gone, ["bbb"]);
  assert.deepEqual(list.in("inbox").map(({ id }) => id), ["dd", "a"]);
});

test("however answers and live messages overtake each other, the mailbox shows as it is", () => {
  for (let seed = 1; seed <= 300; seed += 1) {
    const random = chance(seed);
    const server = new Map();
    const list = new MailList();
    const asked = [];
    const live = [];
    const seen = () => ({ mails: [...server.values()].filter((each) => each.folder === "inbox"), since: "" });
    for (let step = 0; step < 150; step += 1) {
      const dice = random();
      const id = `m${Math.floor(random() * 8)}`;
      if (dice < 0.4) {
        const known = server.get(id);
        if (known && random() < 0.3) server.delete(id);
        else server.set(id, mail(id, { isRead: random() < 0.5, folder: random() < 0.8 ? "inbox" : "archive" }));
        live.push(id);
      } else if (dice < 0.6 && live.length) {
        const [told] = live.splice(Math.floor(random() * live.length), 1); // late, but each carries the present state
        if (server.has(told)) list.hear([server.get(told)]);
        else list.lose([told]);
      } else if (dice < 0.75) {
        asked.push({ ...seen(), age: list.age });
      } else if (asked.length) {
        list.replace({ ...asked.shift(), folder: "inbox" });
      }
    }
    // in the end the rest of the live messages come, and one last answer
    for (const told of live) if (server.has(told)) list.hear([server.get(told)]);
    for (const answer of asked) list.replace({ ...answer, folder: "inbox" });
    list.replace({ ...seen(), folder: "inbox", age: list.age });
    const shown = list.in("inbox").map((each) => [each.id, each.isRead]).sort();
    assert.deepEqual(shown, seen().mails.map((each) => [each.id, each.isRead]).sort(), `seed ${seed}`);
  }
});
