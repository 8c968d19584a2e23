/** Whom the user follows: read once, and changed here. */

import { Places } from "./scoreboard-client.js";

/** Event `change`: somebody is followed, or no more. */
export class Friends extends EventTarget {
  #places;
  #users = new Map(); // by id
  #reading = null;

  constructor(getToken) {
    super();
    this.#places = new Places({ url: "api/leaderboard", getToken });
  }

  /** Read the list, once. Raises Refused. */
  read() {
    this.#reading ??= this.#read().catch((refused) => {
      this.#reading = null;
      throw refused;
    });
    return this.#reading;
  }

  get users() {
    return [...this.#users.values()];
  }

  has(userId) {
    return this.#users.has(userId);
  }

  /** Follow this user, or no more. Raises Refused. */
  async toggle({ userId, username }) {
    if (this.has(userId)) {
      await this.#places.unfollow(userId);
      this.#users.delete(userId);
    } else {
      await this.#places.follow(userId);
      this.#users.set(userId, { userId, username });
    }
    this.dispatchEvent(new Event("change"));
  }

  async #read() {
    for (const user of await this.#places.follows()) this.#users.set(user.userId, user);
    this.dispatchEvent(new Event("change"));
  }
}
