/** What a log-in leaves behind for the next visit, and for all tabs of a browser. */

const KEPT_KEY = "scoreboard.session";
const TURN_KEY = "scoreboard.turn"; // which tab may renew, where there are no locks

export class Keep {
  #storage;
  #suffix;

  /** `suffix` keeps services apart. `storage` has getItem, setItem and removeItem, as browsers' storages have. */
  constructor(suffix, storage) {
    [this.#suffix, this.#storage] = [suffix, storage];
  }

  /** Whether `key`, of a browser's storage, is of this log-in; null is all of them. */
  isKey(key) {
    return key === null || key === KEPT_KEY + this.#suffix;
  }

  /** Returns what is kept; null if nothing of ours is; undefined where storage is closed to us. */
  read() {
    const text = this.#stored(KEPT_KEY);
    if (text === undefined) return undefined;
    try {
      const kept = JSON.parse(text);
      return kept?.refreshToken ? kept : null;
    } catch {
      return null; // not ours
    }
  }

  /** Returns whether it is kept. If storage is closed to us, a tab stays logged in until it is closed. */
  write(kept) {
    if (this.#store(KEPT_KEY, kept && JSON.stringify(kept))) return true;
    this.#store(KEPT_KEY, null); // no room: an older token there would be used again, which ends the log-in
    return false;
  }

  /** A lock of our own, because plain HTTP has none: a tab that finds the turn free writes a name there,
   *  and works if that still stands there at two looks, a moment apart, because tabs see each other's
   *  writes late. A turn ends by itself after `turnMs`: its tab may have been closed. */
  async inTurn(work, turnMs) {
    const name = `${Math.random()}`;
    const patientUntil = Date.now() + 4 * turnMs;
    let looks = Number(this.#isMine(name, turnMs));
    while (looks < 2 && Date.now() < patientUntil) {
      await new Promise((resume) => setTimeout(resume, 60 + 60 * Math.random()));
      looks = this.#isMine(name, turnMs) ? looks + 1 : 0;
    }
    try {
      return await work();
    } finally {
      if (this.#turn().holder === name) this.#store(TURN_KEY, null);
    }
  }

  /** Whether the turn is ours; takes it if it is free. Where no turn can be kept, every tab has it. */
  #isMine(name, turnMs) {
    const { holder, since } = this.#turn();
    if (holder === name) return true;
    const free = !(Math.abs(Date.now() - since) <= turnMs); // a turn that nobody can read is free
    return free && !this.#store(TURN_KEY, `${name} ${Date.now()}`);
  }

  #turn() {
    const [holder, since] = (this.#stored(TURN_KEY) ?? " 0").split(" ");
    return { holder, since: Number(since) };
  }

  #stored(key) {
    try {
      return this.#place().getItem(key + this.#suffix);
    } catch {
      return undefined;
    }
  }

  /** Keep a text, or with null no text. Returns whether it is kept: some storages drop it silently. */
  #store(key, text) {
    try {
      const place = this.#place();
      if (text === null) place.removeItem(key + this.#suffix);
      else place.setItem(key + this.#suffix, text);
      return place.getItem(key + this.#suffix) === text;
    } catch {
      return false;
    }
  }

  /** Asked for each time, because a browser may close it in the middle. Node has one that warns whoever asks. */
  #place() {
    return this.#storage ?? (globalThis.document && localStorage);
  }
}
