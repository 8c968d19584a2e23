/** Score and rank of who is logged in, on the board that is shown, and what is missing to the next place. */

import { $, setText } from "./elements.js";
import { MAIN } from "./scoreboard-client.js";
import { rankInWords, words } from "./words.js";

const NOTHING = "–";

export class Standing {
  #userId = null;
  #boardId = null;
  #entries = [];
  #size = 0;
  #place = null; // of this user on this board; null while it is not known
  #direction = "high";

  /** Take what the board shows, of so many places. */
  see(boardId, entries, size) {
    if (boardId === this.#boardId && entries === this.#entries && size === this.#size) return;
    [this.#boardId, this.#entries, this.#size] = [boardId, entries, size];
    this.#draw();
  }

  /** Take the user's place on the board that is shown, wherever it is; null while nobody knows it. */
  take(place, direction) {
    [this.#place, this.#direction] = [place, direction];
    this.#draw();
  }

  /** Begin with this user. */
  begin(userId) {
    this.#userId = userId;
    this.#write(null, NOTHING, null);
    this.#draw();
  }

  /** Take the score that a grant has led to, before the board tells it. */
  granted(score) {
    if (this.#boardId === MAIN) setText($("my-score"), words.number(score));
  }

  /** The board is never behind the user's place, which comes at most once a second. */
  #draw() {
    if (!this.#userId) return;
    const index = this.#entries.findIndex(({ userId }) => userId === this.#userId);
    if (index >= 0) return this.#drawEntry(index);
    const { score = null, next = null, ...place } = this.#place ?? {};
    const isNone = score === null && this.#place && this.#boardId === MAIN;
    this.#write(isNone ? 0 : score, rankInWords(place), place.rank && next && { ...next, rank: place.rank - 1 });
  }

  /** Of a board the points to the next place are as many as the place would say: of two with one score, the
   *  one who had it earlier is ahead. */
  #drawEntry(index) {
    const { score } = this.#entries[index];
    const above = this.#entries[index - 1];
    const next = above && { points: Math.abs(above.score - score) + 1, rank: index };
    this.#write(score, words.ordinal(index + 1), next);
  }

  #write(score, rank, next) {
    setText($("my-score"), score === null ? NOTHING : words.number(score));
    setText($("my-rank"), rank);
    setText($("my-next"), next ? toNext(next, this.#direction) : "");
  }
}

/** `12 points to 3rd place`. */
function toNext({ points: count, rank }, direction) {
  const points = words.text("points", { count });
  return words.text(direction === "low" ? "next.less" : "next.more", { points, rank: words.ordinal(rank) });
}
