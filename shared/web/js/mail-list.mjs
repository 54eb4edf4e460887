// The mails that this browser knows. Live messages and answers to requests overtake each other, so that every word has an age: an
// answer says nothing of a mail of which something was heard after it had been asked for. Pure.

/**
 * @typedef {object} Mail
 * @property {string} id
 * @property {string} folder the id of the folder that it is in
 * @property {string} subject
 * @property {string} from
 * @property {string} fromAddress
 * @property {string[]} to
 * @property {string} received
 * @property {boolean} isRead
 * @property {boolean} isDraft
 * @property {string} preview
 * @property {boolean} hasAttachments
 * @property {{ contentType: string, content: string } | null} body null while only lists have told of it
 */

/** So many mails are remembered as heard of; older words about others have long been overtaken by whole answers. */
const MOST_HEARD = 1_000;

export class MailList {
  /** @param {Iterable<Mail>} [mails] */
  constructor(mails = []) {
    /** @type {Map<string, Mail>} */
    this.mails = new Map([...mails].map((mail) => [mail.id, mail]));
    /** @type {Map<string, number>} when something was last heard of a mail */
    this.heard = new Map();
    /** Counts what was heard: the age of words. */
    this.age = 0;
  }

  /**
   * Take the latest word on mails: from a live message, or because we have done it ourselves.
   * @param {Mail[]} mails
   */
  hear(mails) {
    for (const { id } of mails) this.#note(id);
    return this.#put(mails);
  }

  /** Hear that mails are gone. @param {string[]} ids @returns {string[]} those that were there */
  lose(ids) {
    for (const id of ids) this.#note(id);
    return ids.filter((id) => this.mails.delete(id));
  }

  /**
   * Take an answer that was asked for at an age: what it says of mails, and which have left its folder.
   * @param {{ mails?: Mail[], left?: string[], folder: string, age: number }} answer
   */
  take({ mails = [], left = [], folder, age }) {
    const gone = left.filter((id) => this.#mayTell(id, age) && this.mails.get(id)?.folder === folder && this.mails.delete(id));
    return { ...this.#put(mails.filter((mail) => this.#mayTell(mail.id, age))), gone };
  }

  /**
   * Hold a folder against an answer that names everything in it since a time: what it does not name is not there.
   * @param {{ mails: Mail[], folder: string, age: number, since: string }} answer
   */
  replace({ mails, folder, age, since }) {
    const named = new Set(mails.map((mail) => mail.id));
    const left = this.in(folder).filter((mail) => !named.has(mail.id) && mail.received >= since);
    return this.take({ mails, left: left.map((mail) => mail.id), folder, age });
  }

  /** The mails of a folder, the latest first. @param {string} folder */
  in(folder) {
    return [...this.mails.values()]
      .filter((mail) => mail.folder === folder && !mail.isDraft)
      .sort((one, other) => other.received.localeCompare(one.received) || one.id.localeCompare(other.id));
  }

  /** @param {Mail[]} mails @returns {{ changed: Mail[], added: Mail[] }} */
  #put(mails) {
    const [changed, added] = [/** @type {Mail[]} */ ([]), /** @type {Mail[]} */ ([])];
    for (const told of mails) {
      const known = this.mails.get(told.id);
      const mail = { ...told, body: told.body ?? (known && !known.isDraft ? known.body : null) };
      if (known && JSON.stringify(known) === JSON.stringify(mail)) continue;
      this.mails.set(mail.id, mail);
      changed.push(mail);
      if (!known) added.push(mail);
    }
    return { changed, added };
  }

  /** @param {string} id @param {number} age */
  #mayTell(id, age) {
    return (this.heard.get(id) ?? 0) <= age;
  }

  /** @param {string} id */
  #note(id) {
    this.heard.delete(id);
    this.heard.set(id, (this.age += 1));
    const [oldest] = this.heard.keys();
    if (this.heard.size > MOST_HEARD) this.heard.delete(oldest);
  }
}

/** Read a mail as Graph has it. @param {any} message @param {string} [folder] @returns {Mail} */
export function readMail(message, folder = "") {
  return {
    id: String(message.id),
    folder: String(message.folder ?? message.parentFolderId ?? folder),
    subject: String(message.subject ?? ""),
    from: personOf(message.from ?? message.sender),
    fromAddress: String((message.from ?? message.sender)?.emailAddress?.address ?? ""),
    to: [...(message.toRecipients ?? []), ...(message.ccRecipients ?? [])].map(personOf).filter(Boolean),
    received: String(message.receivedDateTime ?? message.createdDateTime ?? ""),
    isRead: message.isRead !== false,
    isDraft: message.isDraft === true,
    preview: String(message.bodyPreview ?? ""),
    hasAttachments: message.hasAttachments === true,
    body: message.body?.content !== undefined ? { contentType: String(message.body.contentType), content: String(message.body.content) } : null,
  };
}

/** @param {any} person */
function personOf(person) {
  return String(person?.emailAddress?.name || person?.emailAddress?.address || "");
}
