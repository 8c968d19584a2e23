/**
 * Scoreboard's client: a board as it is now, whatever becomes of the connection.
 *
 * It follows the stream; while the stream does not work it polls, and tries the stream again. Of all
 * tabs of a browser one talks to the server, because HTTP/1.1 gives a host six connections in all.
 * A board carries a version, and whoever holds one ignores an older one, by whatever way it came.
 *
 * Types: scoreboard-client.d.ts. Manual: docs/client.md. Instances serve its modules as one file.
 */

import { MAIN, isNewer, makeBoard } from "./board.js";
import { Feed } from "./feed.js";
import { Tabs } from "./tabs.js";
import { watchForWakes } from "./wake-watch.js";

export const VERSION = "1.1.0";

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
};

/** A board, live. Events: `board` and `state`, whose `detail` is `board` and `state` below. */
export class ScoreboardClient extends EventTarget {
  #board = null;
  #state = Object.freeze({ status: "idle", reason: "", leads: false });
  #confirmedAt = 0;
  #feed;
  #tabs;
  #endWatch;

  constructor(options = {}) {
    super();
    const chosen = { ...DEFAULTS, ...options };
    chosen.board ??= MAIN; // a page of an earlier release names none
    chosen.url = new URL(chosen.url, location.href).href.replace(/\/$/, "");
    this.#feed = new Feed(chosen, {
      currentBoard: () => this.#board,
      onBoard: (board) => this.#take(board),
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

  /** The newest board, or null before the first: `{boardId, version, entries, timestamp}`. */
  get board() {
    return this.#board;
  }

  /** `{status, reason, leads}`; status is idle, connecting, live, polling or offline. */
  get state() {
    return this.#state;
  }

  /** Seconds since the board was last known to be the newest; null if it never was. */
  get ageSeconds() {
    return this.#confirmedAt ? Math.max(0, Date.now() - this.#confirmedAt) / 1000 : null;
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

  /** Take what the leading tab says. */
  #hear({ board, status, reason, confirmedAt }) {
    const made = board && makeBoard(board);
    if (made) this.#take(made);
    this.#confirmedAt = Math.max(this.#confirmedAt, confirmedAt);
    this.#settle(status, reason);
  }

  /** A board that is not newer changes nothing. */
  #take(board) {
    if (this.#board && !isNewer(board.version, this.#board.version)) return;
    this.#board = board;
    this.#emit("board", board);
    this.#tell();
  }

  #confirm(status) {
    this.#confirmedAt = Date.now();
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
    const news = { board: this.#board, status, reason, confirmedAt: this.#confirmedAt };
    this.#tabs.tell(news, status === "live" ? this.#feed.silenceMs : undefined);
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
