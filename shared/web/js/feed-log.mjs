// What a browser knows of one feed: an unbroken stretch of its change log, and the items as that stretch leaves them.
//
// Positions have no holes, so a stretch is two numbers; a change either continues it, is known already, or shows that something
// is missing in between. Whatever arrives, however often and in whatever order, each change takes effect once.
// Pure: where changes come from is `feed-sync.mjs`, where they are kept is `store.mjs`.

/**
 * @typedef {object} Change One row of a feed's log, as `GET /api/feeds/{feed}` has it.
 * @property {number} position
 * @property {string} arrived
 * @property {string} changeType
 * @property {string} id
 * @property {string} resource
 * @property {string} version
 * @property {string | null} changed
 * @property {boolean} deleted
 * @property {Record<string, any> | null} content
 *
 * @typedef {object} Item One message, as the known stretch leaves it.
 * @property {string} id
 * @property {number} first the position at which the stretch first speaks of it
 * @property {number} last the position of its present state
 * @property {string} created when it was written, empty while nobody has said
 * @property {string} at the same, or as near as anybody has come: what items are ordered by
 * @property {boolean} edited
 * @property {boolean} deleted
 * @property {string} arrived
 * @property {Record<string, any> | null} content
 * @property {string} by who wrote it, remembered beyond its deletion
 *
 * @typedef {{ kind: "added" | "changed" | "deleted", item: Item, position: number }} Effect What a change did.
 * @typedef {{ low: number, high: number, mark: string }} Stretch `low` to `high`, both known; `mark` says which change `high` is.
 */

/** More changes than this are not held back for a gap to close: the fetch that closes it brings them anyway. */
const MOST_HELD = 500;

export class FeedLog {
  /** @param {Stretch | null} [stretch] @param {Iterable<Item>} [items] what was kept from an earlier visit */
  constructor(stretch = null, items = []) {
    /** @type {Stretch | null} */
    this.stretch = stretch;
    /** @type {Map<string, Item>} */
    this.items = new Map([...items].map((item) => [item.id, item]));
    /** @type {Map<number, Change>} changes beyond a gap */
    this.held = new Map();
    /** The highest position that anybody spoke of. */
    this.heardOf = 0;
  }

  /** Whether something is known to be missing after the stretch. */
  get behind() {
    return this.stretch !== null && this.heardOf > this.stretch.high;
  }

  /** Whether the log goes on before the stretch. */
  get hasOlder() {
    return this.stretch !== null && this.stretch.low > 1;
  }

  /**
   * Begin with the latest page, newest first; whatever was known is forgotten.
   * @param {Change[]} changes
   * @returns {Effect[]}
   */
  begin(changes) {
    this.items.clear();
    const ordered = inOrder(changes);
    const newest = ordered.at(-1);
    this.stretch = newest
      ? { low: ordered[0].position, high: newest.position, mark: markOf(newest) }
      : { low: 1, high: 0, mark: "" };
    const effects = ordered.map((change) => this.#apply(change));
    return [...effects, ...this.#release()];
  }

  /**
   * Take a page of what came after a position, in order. Changes that are known already do nothing.
   * @param {Change[]} changes
   * @returns {Effect[]}
   */
  follow(changes) {
    const effects = inOrder(changes).flatMap((change) => this.#continue(change));
    return [...effects, ...this.#release()];
  }

  /**
   * Take a page of what came before the stretch. Returns nothing: what is older is no news.
   * @param {Change[]} changes
   */
  precede(changes) {
    for (const change of inOrder(changes).reverse()) {
      if (this.stretch && change.position === this.stretch.low - 1) {
        this.stretch = { ...this.stretch, low: change.position };
        this.#recall(change);
      }
    }
  }

  /**
   * Hear a live message: a position, and mostly the change itself.
   * @param {number} position @param {Change | null} change
   * @returns {Effect[]} what it did; see `behind` for whether something has to be fetched
   */
  hear(position, change) {
    this.heardOf = Math.max(this.heardOf, position);
    if (!change || (this.stretch && position <= this.stretch.high)) return [];
    if (this.held.size < MOST_HELD) this.held.set(position, change);
    return this.#release();
  }

  /**
   * Tell whether the log still is the one that the stretch was read from: its last change must be where it was.
   * @param {Change[]} changes a page from the last position on
   */
  isSameLog(changes) {
    const stretch = this.stretch;
    if (!stretch || stretch.high === 0) return true;
    return changes.some((change) => change.position === stretch.high && markOf(change) === stretch.mark);
  }

  /** The items in the order in which they were written. */
  inOrder() {
    return [...this.items.values()].sort(byTime);
  }

  /** @returns {Effect[]} */
  #release() {
    const effects = [];
    while (this.stretch) {
      const next = this.held.get(this.stretch.high + 1);
      if (!next) break;
      effects.push(...this.#continue(next));
    }
    for (const position of this.held.keys()) {
      if (this.stretch && position <= this.stretch.high) this.held.delete(position);
    }
    return effects;
  }

  /** @param {Change} change @returns {Effect[]} */
  #continue(change) {
    if (!this.stretch || change.position !== this.stretch.high + 1) return [];
    this.stretch = { ...this.stretch, high: change.position, mark: markOf(change) };
    this.heardOf = Math.max(this.heardOf, change.position);
    return [this.#apply(change)];
  }

  /** @param {Change} change @returns {Effect} */
  #apply(change) {
    const known = this.items.get(change.id);
    const item = known ? following(known, change) : itemOf(change);
    this.items.set(item.id, item);
    const kind = item.deleted ? "deleted" : known ? "changed" : "added";
    return { kind, item, position: change.position };
  }

  /** Take up a change that is older than everything known. @param {Change} change */
  #recall(change) {
    const known = this.items.get(change.id);
    const older = itemOf(change);
    if (!known) this.items.set(older.id, older);
    else {
      const created = known.created || older.created;
      this.items.set(known.id, { ...known, first: older.first, created, at: created || older.at, by: known.by || older.by });
    }
  }
}

/**
 * Forget the oldest part of a stretch, so that what is kept stays small.
 * @param {Stretch} stretch @param {Item[]} items @param {number} most
 * @returns {{ stretch: Stretch, items: Item[] }}
 */
export function shortened(stretch, items, most) {
  const low = Math.max(stretch.low, stretch.high - most + 1);
  const kept = items
    .filter((item) => item.last >= low)
    .map((item) => (item.first < low ? { ...item, first: low } : item));
  return { stretch: { ...stretch, low }, items: kept };
}

/**
 * Join two stretches of one log that two tabs have kept; of two that do not touch the newer one.
 * @param {Stretch} one @param {Stretch} other
 * @returns {Stretch}
 */
export function joined(one, other) {
  const [older, newer] = one.high <= other.high ? [one, other] : [other, one];
  return newer.low <= older.high + 1 ? { ...newer, low: Math.min(older.low, newer.low) } : newer;
}

/** @param {Change} change @returns {Item} */
function itemOf(change) {
  const content = change.content ?? {};
  const deleted = change.deleted || Boolean(content.deletedDateTime); // Teams keeps an empty shell of what can be undone
  const created = String(content.createdDateTime ?? content.receivedDateTime ?? "");
  return {
    id: change.id,
    first: change.position,
    last: change.position,
    created,
    at: created || change.arrived,
    edited: Boolean(content.lastEditedDateTime) && !deleted,
    deleted,
    arrived: change.arrived,
    content: deleted ? null : change.content,
    by: authorOf(change.content),
  };
}

/** @param {Item} known @param {Change} change @returns {Item} */
function following(known, change) {
  const item = itemOf(change);
  const created = item.created || known.created;
  return { ...item, first: known.first, created, at: created || known.at, by: item.by || known.by };
}

/** The name of whoever wrote a Teams message or a mail. @param {Record<string, any> | null} content */
export function authorOf(content) {
  const from = content?.from ?? content?.sender;
  return String(
    from?.user?.displayName ??
      from?.application?.displayName ??
      from?.device?.displayName ??
      from?.emailAddress?.name ??
      from?.emailAddress?.address ??
      "",
  );
}

/** @param {Change} change */
function markOf(change) {
  return `${change.arrived} ${change.id}`;
}

/** @param {Change[]} changes */
function inOrder(changes) {
  return [...changes].sort((one, other) => one.position - other.position);
}

/** @param {Item} one @param {Item} other */
function byTime(one, other) {
  const [left, right] = [Date.parse(one.at) || 0, Date.parse(other.at) || 0];
  return left - right || one.first - other.first;
}
