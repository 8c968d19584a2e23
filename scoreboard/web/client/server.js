/** Requests about one board, with the caller's token. */

import { MAIN, isOver, makeEnded, makeSeason } from "./board.js";
import { Clock } from "./clock.js";
import { leaderboardAddress } from "./environment.js";
import { Attempt } from "./timers.js";

const SEASONS_PAGE = 50;

export class Server {
  clock = new Clock();
  #options;
  #token = null;
  #rejectedToken = null;

  constructor(options) {
    this.#options = options;
  }

  /** The board's, and its stream's. Raises TypeError where the option `url` leads nowhere. */
  get addresses() {
    const { url, board } = this.#options;
    const main = leaderboardAddress(url);
    if (board === MAIN) return { board: main, stream: `${main}/stream` };
    return { board: boardAddress(url, board, "leaderboard"), stream: boardAddress(url, board, "stream") };
  }

  /** GET with the caller's token. One that was rejected is shown to `getToken`, to be renewed. */
  async get(address, headers, signal, cache = "no-store", method = "GET") {
    this.#token = (await this.#options.getToken?.(this.#rejectedToken)) ?? null;
    const token = this.#token;
    if (token) headers.Authorization = `Bearer ${token}`;
    const askedAt = Date.now();
    const response = await fetch(address, { method, headers, signal, cache });
    if (cache === "no-store") this.clock.note(response, askedAt);
    this.#rejectedToken = isForbidden(response) ? token : null;
    return response;
  }

  /** A request that is for this user alone. */
  send(method, address, signal) {
    return this.get(address, { Accept: "application/json" }, signal, "no-store", method);
  }

  /** The token of the newest request has ended. */
  rejectToken() {
    this.#rejectedToken = this.#token;
  }

  /** Ask for the final board of a season that has ended. Returns null if that is not to be had; never throws. */
  async season(number) {
    const document = await this.#document(`leaderboard?season=${number}`);
    const ended = document && makeEnded({ ...document, entries: document.data });
    // An instance that has not heard of the end answers with the board as it was.
    return ended?.boardId === this.#options.board && ended.entries && isOver(ended.season) ? ended : null;
  }

  /** Ask how the board is defined. Returns null if that is not to be had; never throws. */
  async definition() {
    const { data } = (await this.#document()) ?? {};
    return data?.boardId === this.#options.board ? data : null;
  }

  /** Ask for a page of the board's seasons, `{seasons, next}`. Returns null if that is not to be had; never throws. */
  async seasons(after) {
    const query = after === null ? "" : `&after=${after}`;
    const document = await this.#document(`seasons?limit=${SEASONS_PAGE}${query}`);
    if (!Array.isArray(document?.data)) return null;
    return { seasons: document.data.map(makeSeason).filter(Boolean), next: document.next ?? null };
  }

  /** What the board has there, or null; never throws. */
  async #document(path = "") {
    const { url, board, requestSeconds } = this.#options;
    const attempt = new Attempt(null, requestSeconds * 1000);
    try {
      const address = boardAddress(url, board, path);
      const response = await this.get(address, { Accept: "application/json" }, attempt.signal, "no-cache");
      return response.ok ? await response.json() : null;
    } catch {
      return null;
    } finally {
      attempt.abort();
    }
  }
}

/** Boards stand beside the one that has a route of its own. */
export function boardAddress(url, board, path) {
  return addressBeside(url, `boards/${encodeURIComponent(board)}${path && `/${path}`}`);
}

/** What stands beside the board `main`. */
export function addressBeside(url, path) {
  return new URL(path, leaderboardAddress(url)).href;
}

export function isForbidden({ status }) {
  return status === 401 || status === 403;
}
