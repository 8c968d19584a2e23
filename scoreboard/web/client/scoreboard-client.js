/**
 * Scoreboard's client: a board as it is now, whatever becomes of the connection, and its seasons.
 *
 * It follows the stream; while the stream does not work it polls, and tries the stream again. Of all
 * tabs of a browser one talks to the server, because HTTP/1.1 gives a host six connections in all.
 * A board carries a version, and whoever holds one ignores an older one, by whatever way it came.
 *
 * Types: scoreboard-client.d.ts. Manual: docs/client.md. Instances serve its modules as one file.
 */

import { MAIN, hasEnded, hasStarted, isNewer, isOver, makeBoard, makeEnded } from "./board.js";
import { Feed } from "./feed.js";
import { Server } from "./server.js";
import { takeRoom } from "./stream-room.js";
import { Tabs } from "./tabs.js";
import { watchForWakes } from "./wake-watch.js";

export const VERSION = "1.1.0";
export const FINAL_SIZE = 10; // of a season that has ended so many entries stay in sight
export { MAIN, isOver };

const DEFAULTS = {
  url: "/api/leaderboard",
  board: MAIN,
  getToken: null,
  shareTabs: true,
  pollSeconds: 3,
  silenceSeconds: 37.5, // 2.5 heartbeats of 15 s, the server's default
  openSeconds: 8,
  requestSeconds: 10,
  retrySeconds: 2, // until the server sends `retry:`
  retryMaxSeconds: 60,
  pulseSeconds: 5,
  answerSeconds: 2,
  hiddenSeconds: 3,
  streamsMax: 4,
};


/**
 * A board, live. Events: `board` and `state`, whose `detail` is `board` and `state` below;
 * `season:ended`, whose `detail` is `ended`; `season:started` with `{boardId, season}`.
 */
export class ScoreboardClient extends EventTarget {
  #board = null;
  #ended = null;
  #state = Object.freeze({ status: "idle", reason: "", leads: false });
  #confirmedAt = 0;
  #aheadMs = 0; // of our clock is the server's
  #server;
  #feed;
  #tabs;
  #endWatch;

  constructor(options = {}) {
    super();
    const chosen = { ...DEFAULTS, ...options };
    chosen.board ??= MAIN; // a page of an earlier release names none
    chosen.url = new URL(chosen.url, location.href).href.replace(/\/$/, "");
    this.#server = new Server(chosen);
    const room = `scoreboard-streams:${new URL(chosen.url).host}`;
    this.#feed = new Feed(chosen, this.#server, {
      currentBoard: () => this.#board,
      takeRoom: () => takeRoom(room, chosen.streamsMax, this.#tabs.share),
      onBoard: (board) => this.#take(board),
      onEnded: (ended) => this.#end(ended),
      onConfirmed: (status) => this.#confirm(status),
      onStatus: (status, reason) => this.#settle(status, reason),
    });
    // Tabs that still run an earlier release know `main` under this name.
    const name = `scoreboard:${chosen.url}${chosen.board === MAIN ? "" : `#${chosen.board}`}`;
    this.#tabs = new Tabs(name, chosen, {
      onLead: () => {
        this.#settle("connecting", "", true);
        this.#feed.start();
      },
      onFollow: () => this.#endLead(this.#state),
      onHidden: () => this.#endLead({ status: "connecting", reason: "" }),
      onNews: (news) => this.#hear(news),
      onAsked: (wanted) => this.#answer(wanted),
      onNobody: () => this.#board ?? this.#feed.pollOnce(),
    });
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
    return this.#state;
  }

  /** Seconds since the board was last known to be the newest; null if it never was. */
  get ageSeconds() {
    return this.#confirmedAt ? Math.max(0, Date.now() - this.#confirmedAt) / 1000 : null;
  }

  /** What the server's clock shows, in ms since 1970, as far as the dates of its answers tell. */
  get serverTimeMs() {
    return Date.now() + this.#aheadMs;
  }

  /** Ask for a season that has ended, as it was kept, like `ended`. Answers null if it is not to be had. */
  readSeason(number) {
    return this.#server.season(number);
  }

  /** Follow the board until `stop`. */
  start() {
    if (this.#state.status !== "idle") return this;
    this.#settle("connecting", "");
    this.#endWatch = watchForWakes((slept) => this.#wake(slept));
    this.#tabs.start();
    return this;
  }

  /** Close every connection and timer; `start` begins again. */
  stop() {
    this.#endWatch?.();
    this.#tabs.stop();
    this.#feed.stop();
    this.#settle("idle", "");
  }

  /** Ask now: after a log-in, or when the user wants to. What Retry-After forbids still waits. */
  refresh() {
    this.#wake(false);
  }

  #endLead({ status, reason }) {
    this.#feed.stop();
    this.#settle(status, reason, false);
  }

  #wake(slept) {
    if (this.#state.status === "idle") return;
    if (this.#tabs.leads) this.#feed.wake(slept);
    else this.#tabs.ask("refresh");
  }

  /** Answer another tab, always: a tab that hears nothing takes our place. */
  #answer(wanted) {
    if (wanted === "refresh") this.#feed.wake(false);
    this.#tell();
  }

  /** Take what the leading tab says. One of an earlier release knows no seasons. */
  #hear({ board, ended, status, reason, confirmedAt, aheadMs }) {
    const over = ended && makeEnded(ended);
    // Another one was over before this tab showed the board.
    if (this.#board?.season?.number <= over?.season.number) this.#end(over);
    const made = board && makeBoard(board);
    if (made) this.#take(made);
    this.#confirmedAt = Math.max(this.#confirmedAt, confirmedAt);
    this.#aheadMs = aheadMs ?? this.#aheadMs;
    this.#settle(status, reason);
  }

  /** A board that is not newer changes nothing. */
  #take(board) {
    const before = this.#board;
    if (before && !isNewer(board.version, before.version)) return;
    this.#board = board;
    const { boardId, season } = board;
    if (before && hasStarted(before.season, season)) this.#emit("season:started", { boardId, season });
    this.#emit("board", board);
    this.#tell();
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
    if (this.#state.status !== "idle") this.#end(ended);
  }

  /** A season ends once, whoever says so. */
  #end(ended) {
    if (this.#isTold(ended.season)) return;
    this.#ended = ended;
    this.#emit("season:ended", ended);
    this.#tell();
  }

  #isTold({ number }) {
    return this.#ended?.season.number >= number;
  }

  #confirm(status) {
    this.#confirmedAt = Date.now();
    this.#aheadMs = this.#server.clock.aheadMs ?? this.#aheadMs;
    this.#settle(status, "");
    this.#tell();
  }

  #settle(status, reason, leads = this.#state.leads) {
    const before = this.#state;
    if (status === before.status && reason === before.reason && leads === before.leads) return;
    this.#state = Object.freeze({ status, reason, leads });
    this.#emit("state", this.#state);
    this.#tell();
  }

  #tell() {
    if (!this.#tabs?.leads || this.#state.status === "idle") return;
    const { status, reason } = this.#state;
    const news = {
      board: this.#board,
      ended: this.#ended,
      status,
      reason,
      confirmedAt: this.#confirmedAt,
      aheadMs: this.#aheadMs,
    };
    this.#tabs.tell(news, status === "live" ? this.#feed.silenceMs : undefined);
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
