/** Requests about one board, with the caller's token. */

import { MAIN, isOver, makeEnded } from "./board.js";
import { Clock } from "./clock.js";
import { Attempt } from "./timers.js";

export class Server {
  clock = new Clock();
  /** The board's, and its stream's. */
  addresses;
  #options;
  #seasonsAddress;
  #token = null;
  #rejectedToken = null;

  constructor(options) {
    const { url, board } = options;
    // Boards stand beside the one that has a route of its own.
    const beside = new URL(`boards/${encodeURIComponent(board)}/`, url).href;
    this.#options = options;
    this.#seasonsAddress = `${beside}leaderboard?season=`;
    this.addresses =
      board === MAIN
        ? { board: url, stream: `${url}/stream` }
        : { board: `${beside}leaderboard`, stream: `${beside}stream` };
  }

  /** GET with the caller's token. One that was rejected is shown to `getToken`, to be renewed. */
  async get(address, headers, signal, cache = "no-store") {
    this.#token = (await this.#options.getToken?.(this.#rejectedToken)) ?? null;
    const token = this.#token;
    if (token) headers.Authorization = `Bearer ${token}`;
    const askedAt = Date.now();
    const response = await fetch(address, { headers, signal, cache });
    if (cache === "no-store") this.clock.note(response, askedAt);
    this.#rejectedToken = isForbidden(response) ? token : null;
    return response;
  }

  /** The token of the newest request has ended. */
  rejectToken() {
    this.#rejectedToken = this.#token;
  }

  /** Ask for the final board of a season that has ended. Returns null if that is not to be had; never throws. */
  async season(number) {
    const { board, requestSeconds } = this.#options;
    const attempt = new Attempt(null, requestSeconds * 1000);
    try {
      const headers = { Accept: "application/json" };
      const response = await this.get(this.#seasonsAddress + number, headers, attempt.signal, "no-cache");
      const document = response.ok ? await response.json() : {};
      const ended = makeEnded({ ...document, entries: document.data });
      // An instance that has not heard of the end answers with the board as it was.
      return ended?.boardId === board && ended.entries && isOver(ended.season) ? ended : null;
    } catch {
      return null;
    } finally {
      attempt.abort();
    }
  }
}

export function isForbidden({ status }) {
  return status === 401 || status === 403;
}
