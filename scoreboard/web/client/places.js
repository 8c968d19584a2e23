/** Places that are asked for: a user's, and pages of a whole ranking; and whom one follows. */

import { makeSeason } from "./board.js";
import { choose } from "./options.js";
import { makeOwnPlace, makePlace } from "./place.js";
import { Refused, TOKEN_REFUSED, read } from "./refused.js";
import { Server, addressBeside, boardAddress } from "./server.js";
import { Attempt } from "./timers.js";

export class Places {
  #options;
  #server;

  /** Of the board `board`, and of its season `season`, a number: the live one if it is null. */
  constructor({ season = null, ...options } = {}) {
    this.#options = { ...choose(options), season };
    this.#server = new Server(this.#options);
  }

  async me({ around = 5 } = {}) {
    const { data, ...more } = await this.#read("me", { around });
    return about(more, ownPlace(data, more), data.entries);
  }

  async user(userId) {
    const { data, ...more } = await this.#read(`users/${encodeURIComponent(userId)}`, {});
    return about(more, ownPlace(data, more), [data.place ?? data]);
  }

  /** One of `after`, `before` (cursors), `rank` and `users` (ids); none of them: from the top. */
  async entries({ after, before, rank, users, limit } = {}) {
    const query = { after, before, rank, users: users?.join(), limit };
    const { data, next = null, previous = null, rankAbove = null, ...more } = await this.#read("entries", query);
    return Object.freeze({ ...about(more, undefined, data), next, previous, rankAbove });
  }

  async follows() {
    const { data } = await this.#call("me/follows");
    return Object.freeze(data.map((user) => Object.freeze(user)));
  }

  follow(userId) {
    return this.#call(`me/follows/${encodeURIComponent(userId)}`, "PUT");
  }

  unfollow(userId) {
    return this.#call(`me/follows/${encodeURIComponent(userId)}`, "DELETE");
  }

  /** Cursors carry their season. */
  #read(path, query) {
    const { url, board, season } = this.#options;
    const members = { ...query, season: query.after || query.before ? null : season };
    const given = Object.entries(members).filter(([, value]) => value !== undefined && value !== null);
    return this.#call(boardAddress(url, board, `${path}?${new URLSearchParams(given)}`));
  }

  /** Returns the document, if there is one. Raises Refused. A token that was refused is renewed once. */
  async #call(path, method = "GET") {
    const address = addressBeside(this.#options.url, path);
    const attempt = new Attempt(null, this.#options.requestSeconds * 1000);
    const ask = async () => read(await this.#server.send(method, address, attempt.signal));
    const askAgain = (refused) => {
      const isEnded = refused.status === 401 || TOKEN_REFUSED.includes(refused.code);
      if (isEnded && this.#options.getToken) return ask(); // which shows the token to `getToken`
      throw refused;
    };
    try {
      return await ask().catch(askAgain);
    } catch (failure) {
      throw failure instanceof Refused ? failure : new Refused(0);
    } finally {
      attempt.abort();
    }
  }
}

const ownPlace = (data, more) => makeOwnPlace({ ...more, ...(data.place ?? {}), next: data.next });

function about({ boardId, direction, season, version, total = null }, place, lines) {
  const entries = Object.freeze(lines.map(makePlace));
  const of = { boardId, direction, season: makeSeason(season), version, total };
  return Object.freeze(place ? { ...of, place, entries } : { ...of, entries });
}
