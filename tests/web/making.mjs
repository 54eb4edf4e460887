// What tests are made of: changes of a feed, and chance that can be repeated.

/** A row of a feed's log. */
export function change(position, { id = `m${position}`, by = "Ada", at, text = "hello", deleted = false, edited = false, arrived } = {}) {
  const when = new Date(Date.UTC(2026, 0, 1, 0, 0, position)).toISOString();
  return {
    position,
    arrived: arrived ?? when,
    changeType: deleted ? "deleted" : edited ? "updated" : "created",
    id,
    resource: `teams/t/channels/c/messages/${id}`,
    version: String(position),
    changed: when,
    deleted,
    content: deleted
      ? null
      : {
          id,
          createdDateTime: at ?? when,
          lastEditedDateTime: edited ? when : null,
          from: { user: { id: `id-of-${by}`, displayName: by } },
          body: { contentType: "text", content: text },
        },
  };
}

/** Numbers in [0, 1), the same for the same seed (mulberry32). */
export function chance(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
