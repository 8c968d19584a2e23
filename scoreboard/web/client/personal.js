/**
 * What concerns one user, live: their places, who overtook them, what they were granted.
 *
 * It follows the personal stream; while that does not work it polls the places, and tries the stream
 * again. Tabs of one user that ask for the same boards share one stream.
 */

import { MAIN } from "./board.js";
import { leaderboardAddress, makeEvent } from "./environment.js";
import { Line } from "./line.js";
import { choose } from "./options.js";
import { isHiddenIn, makeOwnPlace } from "./place.js";
import { Server, addressBeside, boardAddress } from "./server.js";

const POLL_SECONDS = 15; // each poll is one for this user alone, and no cache answers it

export class PersonalClient extends EventTarget {
  #places = new Map(); // by board
  #line;

  /** `boards`: the ids of those whose places are wanted; `userId`: whose, so that tabs of different users keep
   *  apart. `getToken` has to answer tokens of that user. */
  constructor({ boards = [MAIN], userId, ...options }) {
    super();
    const chosen = choose({ pollSeconds: POLL_SECONDS, ...options });
    const source = new PersonalSource(chosen.url, boards, {
      onPlace: (place) => this.#take(place),
      onAnswer: (place) => isHiddenIn(place, this.#places.get(place.boardId)) || this.#take(place),
      onHappened: (type, detail) => this.#happen(type, detail),
    });
    const name = () => `scoreboard-me:${leaderboardAddress(chosen.url)}#${userId}#${boards}`;
    const owner = {
      onState: (state) => this.#emit("state", state),
      news: () => ({ places: [...this.#places.values()] }),
      onNews: (news) => this.#hear(news),
      isEmpty: () => this.#places.size === 0,
    };
    this.#line = new Line(name, chosen, new Server(chosen), source, owner, true);
  }

  get state() {
    return this.#line.state;
  }

  place(boardId = MAIN) {
    return this.#places.get(boardId) ?? null;
  }

  start() {
    this.#line.start();
    return this;
  }

  stop() {
    this.#line.stop();
  }

  refresh() {
    this.#line.wake(false);
  }

  #hear({ places, happened }) {
    for (const place of places) this.#take(makeOwnPlace(place));
    if (happened) this.#happen(happened.type, happened.detail);
  }

  #take(place) {
    const before = this.#places.get(place.boardId);
    if (before && JSON.stringify(before) === JSON.stringify(place)) return;
    this.#places.set(place.boardId, place);
    this.#emit("place", place);
    this.#line.tell();
  }

  #happen(type, detail) {
    if (type === "overtaken") this.#emit("overtaken", detail);
    else this.#emit("granted", detail);
    this.#line.tell({ happened: { type, detail } });
  }

  #emit(type, detail) {
    this.dispatchEvent(makeEvent(type, detail));
  }
}

class PersonalSource {
  #url;
  #boards;
  #listener;
  #heard = 0; // events of places

  constructor(url, boards, listener) {
    [this.#url, this.#boards, this.#listener] = [url, boards, listener];
  }

  get stream() {
    return addressBeside(this.#url, `me/stream?boards=${this.#boards.map(encodeURIComponent)}`);
  }

  hear(name, document) {
    if (!document) return undefined;
    if (name === "me:place") {
      this.#heard += 1;
      this.#takePlace("onPlace", document);
    } else if (name === "me:overtaken") this.#listener.onHappened("overtaken", Object.freeze(document));
    else if (name === "me:granted") this.#listener.onHappened("granted", Object.freeze(document));
    return undefined; // the stream lives from its first event on
  }

  async ask(get) {
    const heard = this.#heard;
    for (const board of this.#boards) {
      const response = await get(boardAddress(this.#url, board, "me?around=0"));
      if (!response.ok) break;
      const { data, ...more } = await response.json();
      // What the stream told meanwhile is newer.
      if (heard === this.#heard) this.#takePlace("onAnswer", { ...more, ...data.place, next: data.next });
    }
    return true;
  }

  #takePlace(how, document) {
    const place = makeOwnPlace(document);
    if (this.#boards.includes(place.boardId)) this.#listener[how](place);
  }
}
