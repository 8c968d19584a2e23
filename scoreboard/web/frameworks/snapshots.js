/** A client as frameworks want it: what it knows as one value that never changes, and who is told of the next one. */

import { ScoreboardClient } from "../client/scoreboard-client.js";

const TOLD_BY = ["board", "state", "season:ended"];

export class Snapshots {
  client;
  /** Asked for tokens. It may be another function at each look, and no new client is made of that. */
  getToken;
  #newest;
  #hearers = new Set();

  /** Nothing is asked before somebody subscribes, so one may be made where pages are rendered. */
  constructor({ getToken, ...options } = {}) {
    this.getToken = getToken;
    this.client = new ScoreboardClient({ ...options, getToken: (rejected) => this.getToken?.(rejected) ?? null });
    this.#newest = this.#look();
    for (const type of TOLD_BY) this.client.addEventListener(type, () => this.#tell());
  }

  /** The newest `{board, state, ended, client}`, frozen: the same value until something changes. */
  get = () => this.#newest;

  /** Call `onChange` for each new value. The client runs while anybody has subscribed. Returns what ends it. */
  subscribe = (onChange) => {
    const hearer = () => onChange();
    this.#hearers.add(hearer);
    if (this.#hearers.size === 1) this.client.start();
    return () => {
      if (this.#hearers.delete(hearer) && this.#hearers.size === 0) this.client.stop();
    };
  };

  #look() {
    const { client } = this;
    return Object.freeze({ board: client.board, state: client.state, ended: client.ended, client });
  }

  #tell() {
    this.#newest = this.#look();
    for (const hearer of this.#hearers) hearer();
  }
}

/** What tells whether options are still the same: all of them, but for `getToken`. */
export function identityOf(options = {}) {
  const { getToken, ...plain } = options;
  return JSON.stringify(Object.entries(plain).sort(([one], [other]) => (one < other ? -1 : 1)));
}
