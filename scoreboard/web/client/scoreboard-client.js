/**
 * Scoreboard's client: a board as it is now, whatever becomes of the connection, and its seasons.
 *
 * It follows the stream; while the stream does not work it polls, and tries the stream again. Of all
 * tabs of a browser one talks to the server, because HTTP/1.1 gives a host six connections in all.
 * A board carries a version, and whoever holds one ignores an older one, by whatever way it came.
 *
 * Types: scoreboard-client.d.ts. Manual: docs/client.md. Instances serve its modules as one file.
 */

import { Actions } from "./actions.js";
import { MAIN, hasEnded, hasStarted, isNewer, isOver, makeBoard, makeEnded } from "./board.js";
import { BoardSource } from "./board-source.js";
import { leaderboardAddress, makeEvent } from "./environment.js";
import { Line } from "./line.js";
import { choose } from "./options.js";
import { PersonalClient } from "./personal.js";
import { Places } from "./places.js";
import { Refused } from "./refused.js";
import { Server } from "./server.js";
import { Session } from "./session.js";

export const VERSION = "1.3.0";
export const FINAL_SIZE = 10; // of a season that has ended so many entries stay in sight
export { Actions, MAIN, PersonalClient, Places, Refused, Session, isOver };

/**
 * A board, live. Events: `board` and `state`, whose `detail` is `board` and `state` below;
 * `season:ended`, whose `detail` is `ended`; `season:started` with `{boardId, season}`.
 */
export class ScoreboardClient extends EventTarget {
  #boardId;
  #board = null;
  #ended = null;
  #server;
  #line;

  constructor(options = {}) {
    super();
    const chosen = choose(options);
    const { url, board } = chosen;
    this.#boardId = board;
    this.#server = new Server(chosen);
    const source = new BoardSource(board, this.#server, {
      currentBoard: () => this.#board,
      onBoard: (board) => this.#take(board),
      onEnded: (ended) => this.#end(ended),
    });
    // Tabs that still run an earlier release know `main` under this name.
    const name = () => `scoreboard:${leaderboardAddress(url)}${board === MAIN ? "" : `#${board}`}`;
    this.#line = new Line(name, chosen, this.#server, source, {
      onState: (state) => this.#emit("state", state),
      news: () => ({ board: this.#board, ended: this.#ended }),
      onNews: (news) => this.#hear(news),
      isEmpty: () => !this.#board,
    });
  }

  /** Which board is followed. */
  get boardId() {
    return this.#boardId;
  }

  /**
   * The newest board, or null before the first:
   * `{boardId, version, direction, season, entries, timestamp}`.
   */
  get board() {
    return this.#board;
  }

  /** The last season that was seen to end, or null: `{boardId, season, entries, closesAt, digest}`. */
  get ended() {
    return this.#ended;
  }

  /** `{status, reason, leads}`; status is idle, connecting, live, polling or offline. */
  get state() {
    return this.#line.state;
  }

  /** Seconds since the board was last known to be the newest; null if it never was. */
  get ageSeconds() {
    return this.#line.ageSeconds;
  }

  /** What the server's clock shows, in ms since 1970, as far as the dates of its answers tell. */
  get serverTimeMs() {
    return this.#line.serverTimeMs;
  }

  /** Ask for a season that has ended, as it was kept, like `ended`. Answers null if it is not to be had. */
  readSeason(number) {
    return this.#server.season(number);
  }

  /** Ask how the board is defined: `{boardId, title, direction, size, period, zone, …}`, or null. */
  readDefinition() {
    return this.#server.definition();
  }

  /** Ask for the newest seasons, `{seasons, next}`, or for those before number `after`; null if not to be had. */
  readSeasons(after = null) {
    return this.#server.seasons(after);
  }

  /** Follow the board until `stop`. */
  start() {
    this.#line.start();
    return this;
  }

  /** Close every connection and timer; `start` begins again. */
  stop() {
    this.#line.stop();
  }

  /** Ask now: after a log-in, or when the user wants to. What Retry-After forbids still waits. */
  refresh() {
    this.#line.wake(false);
  }

  /** Take what the leading tab says. One of an earlier release knows no seasons. */
  #hear({ board, ended }) {
    const over = ended && makeEnded(ended);
    // Another one was over before this tab showed the board.
    if (this.#board?.season?.number <= over?.season.number) this.#end(over);
    const made = board && makeBoard(board);
    if (made) this.#take(made);
  }

  /** A board that is not newer changes nothing. */
  #take(board) {
    const before = this.#board;
    if (before && !isNewer(board.version, before.version)) return;
    this.#board = board;
    const { boardId, season } = board;
    if (before && hasStarted(before.season, season)) this.#emit("season:started", { boardId, season });
    this.#emit("board", board);
    this.#line.tell();
    if (before && hasEnded(before.season, season)) this.#catchUp(before.season, board);
  }

  /** A season has ended while the connection was away: say so, with what can be learned of it. */
  async #catchUp(season, { boardId, season: now, entries }) {
    if (this.#isTold(season)) return;
    let ended = makeEnded({ boardId, season: now, entries: entries.slice(0, FINAL_SIZE) });
    if (now.number > season.number) {
      const unknown = { boardId, season: { ...season, state: "ended" }, entries: null };
      ended = (await this.#server.season(season.number)) ?? makeEnded(unknown);
    }
    if (this.state.status !== "idle") this.#end(ended);
  }

  /** A season ends once, whoever says so. */
  #end(ended) {
    if (this.#isTold(ended.season)) return;
    this.#ended = ended;
    this.#emit("season:ended", ended);
    this.#line.tell();
  }

  #isTold({ number }) {
    return this.#ended?.season.number >= number;
  }

  #emit(type, detail) {
    this.dispatchEvent(makeEvent(type, detail));
  }
}
