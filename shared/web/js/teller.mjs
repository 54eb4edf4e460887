// Tells whoever wants to hear that something has changed; what changed, they look up themselves.

export class Teller {
  /** @type {Set<(about?: any) => void>} */
  #listeners = new Set();

  /** @param {(about?: any) => void} listener @returns {() => void} what ends it */
  on(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** @param {any} [about] */
  tell(about) {
    for (const listener of [...this.#listeners]) listener(about);
  }
}
