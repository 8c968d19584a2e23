/** The lines of a whole ranking, of which those are kept that are in sight, and those around them. */

import { Places } from "./scoreboard-client.js";

const PAGE = 100;
const PAGES_KEPT = 30;
const RETRY_MS = 3_000;

/** Whether the same question may be answered later. */
export const isPassing = ({ status }) => status === 0 || status === 429 || status >= 500;

/** Event `change`: other lines, or another total, are known. */
export class Ranking extends EventTarget {
  season = null; // once a page of it was read, unless it has no end
  /** Whether ranks past `rankAbove` are still being loaded: then a page is found from its neighbour only. */
  rankAbove = null;
  refused = null; // why the last page was not to be had
  #choice;
  #places;
  #lines = new Map(); // by index, which is the rank less 1
  #indexes = new Map(); // by user
  #pages = new Set(); // the numbers of those that are kept
  #fresh = new Set(); // of those that need not be read again
  #after = new Map(); // by page: the cursor with which the one before ends
  #total = null;
  #isEnd = false; // nothing stands behind what is known
  #wanted = [0, 0];
  #isReading = false;
  #isEnded = false;
  #timer;

  constructor({ boardId, season, getToken }) {
    super();
    this.#choice = { url: "api/leaderboard", board: boardId, getToken };
    this.#places = new Places({ ...this.#choice, season });
  }

  /** How many lines there are, as far as anybody knows: while the total is not, one more than were read. */
  get count() {
    if (this.isCounted) return this.#total;
    const read = this.#lines.size ? Math.max(...this.#lines.keys()) + 1 : 0;
    return read + (this.#isEnd ? 0 : 1);
  }

  get isCounted() {
    return this.#total !== null;
  }

  line(index) {
    return this.#lines.get(index) ?? null;
  }

  /** Where that user's line is, as far as it is known; null if it is not. */
  indexOf(userId) {
    return this.#indexes.get(userId) ?? null;
  }

  /** Have those lines read, and kept. */
  want(first, last) {
    this.#wanted = [Math.max(0, first), Math.max(0, last)];
    return this.#read();
  }

  /** Read again what is wanted. */
  renew() {
    this.#fresh.clear();
    return this.#read();
  }

  end() {
    this.#isEnded = true;
    clearTimeout(this.#timer);
  }

  /** One page after another, until all that is wanted by then is there. */
  async #read() {
    clearTimeout(this.#timer);
    if (this.#isReading) return;
    this.#isReading = true;
    try {
      for (let page = this.#missing(); page !== null && !this.#isEnded; page = this.#missing()) {
        this.#take(page, await this.#places.entries(this.#query(page)));
        this.refused = null;
        this.dispatchEvent(new Event("change"));
      }
    } catch (refused) {
      this.#refuse(refused);
    } finally {
      this.#isReading = false;
    }
  }

  #refuse(refused) {
    this.refused = refused;
    if (this.#isEnded) return;
    this.dispatchEvent(new Event("change"));
    const waitMs = Math.max(RETRY_MS, 1000 * (refused.retryAfterSeconds ?? 0));
    if (isPassing(refused)) this.#timer = setTimeout(() => this.#read(), waitMs);
  }

  #missing() {
    const [first, last] = this.#wanted.map((index) => Math.floor(index / PAGE));
    const end = this.isCounted ? Math.max(0, Math.ceil(this.#total / PAGE) - 1) : last;
    for (let page = first; page <= Math.min(last, end); page += 1) {
      if (!this.#fresh.has(page) && (this.isCounted || !this.#isEnd || page === 0)) return page;
    }
    return null;
  }

  /** While ranks are being loaded, a page behind them is found by the cursor of the one before. */
  #query(page) {
    const rank = page * PAGE + 1;
    const after = this.#after.get(page);
    const isDeep = !this.isCounted && rank > (this.rankAbove ?? Infinity);
    if (isDeep && after) return { after, limit: PAGE };
    return { rank, limit: PAGE };
  }

  #take(page, { season, total, next, rankAbove, entries }) {
    if (season?.endsAt && !this.season) {
      // The next season has other places: this list stays with the one in which it began.
      this.season = season;
      this.#places = new Places({ ...this.#choice, season: season.number });
    }
    [this.#total, this.rankAbove] = [total, rankAbove];
    if (!this.isCounted) this.#isEnd = next === null;
    if (next) this.#after.set(page + 1, next);
    const start = page * PAGE;
    for (let index = start; index < start + PAGE; index += 1) this.#forget(index);
    entries.forEach((place, offset) => this.#set(place.rank ? place.rank - 1 : start + offset, place));
    this.#pages.add(page);
    this.#fresh.add(page);
    this.#tidy(page);
  }

  #set(index, place) {
    const before = this.#indexes.get(place.userId);
    if (before !== undefined && before !== index) this.#lines.delete(before); // nobody stands in two places
    this.#lines.set(index, place);
    this.#indexes.set(place.userId, index);
  }

  #forget(index) {
    const place = this.#lines.get(index);
    if (!place) return;
    this.#lines.delete(index);
    if (this.#indexes.get(place.userId) === index) this.#indexes.delete(place.userId);
  }

  /** Keep the pages that are nearest to this one. While the total is not known, all before it are needed. */
  #tidy(page) {
    if (!this.isCounted || this.#pages.size <= PAGES_KEPT) return;
    const far = [...this.#pages].sort((one, other) => Math.abs(other - page) - Math.abs(one - page));
    for (const each of far.slice(0, far.length - PAGES_KEPT)) {
      this.#pages.delete(each);
      this.#fresh.delete(each);
      for (let index = each * PAGE; index < (each + 1) * PAGE; index += 1) this.#forget(index);
    }
  }
}
