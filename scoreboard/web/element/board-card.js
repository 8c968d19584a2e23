/** What an element shows, in its shadow tree: title, freshness, lamp, season, rows. */

import { MAIN } from "../client/scoreboard-client.js";
import { NOTHING_YET, make, put } from "./nodes.js";
import { RowList } from "./row-list.js";
import { SeasonLine } from "./season-line.js";
import { SeasonList } from "./season-list.js";
import { titleOf } from "./titles.js";

const STALE_SECONDS = 10;
const REASONS = ["forbidden", "limited", "unknown"]; // of which one can do or know something
const AGO = [["days", 86_400], ["hours", 3_600], ["minutes", 60]];

/** Whether somebody can score there: `main` names no season, and its one has no end. */
const isOpen = (board) => board?.season?.state === "running" || board?.boardId === MAIN;

export class BoardCard {
  seasons;
  #parts;
  #rows;
  #line;
  #words;

  /** `onSeason(number)`: somebody wants to see that season, or with null the live board. */
  constructor(root, onSeason) {
    this.#parts = fill(root);
    const { rows, spoken, choice, choiceLabel, endGo } = this.#parts;
    this.#rows = new RowList(rows, spoken);
    this.#line = new SeasonLine(this.#parts);
    this.seasons = new SeasonList(choice, choiceLabel, onSeason);
    endGo.addEventListener("click", () => onSeason(null));
  }

  speak(words) {
    this.#words = words;
    const { board } = this.#parts;
    [board.lang, board.dir] = [words.lang, words.direction];
    for (const each of [this.#rows, this.#line, this.seasons]) each.speak(words);
  }

  /** What the state of a connection is called. */
  describe({ status, reason }) {
    const isTold = status === "offline" && REASONS.includes(reason);
    return this.#words.text(isTold ? `reason.${reason}` : `state.${status}`);
  }

  mark(userId) {
    this.#rows.mark(userId);
  }

  /** Draw it all. `shown` is `{boardId, client, definition, final, heldSeconds, size, userId, heading, level, lamp,
   *  mayChoose}`. */
  show(shown) {
    const { boardId, client, final, size } = shown;
    const { board } = client;
    this.#showTitle(shown);
    if (final?.entries) this.#rows.show(final, { of: `${boardId} ${final.season.number} final`, size });
    else if (board && !final) {
      this.#rows.show(board, { of: `${boardId} ${board.season?.number}`, size, invites: isOpen(board) });
    } else this.#rows.wait(size);
    this.showTime(shown);
  }

  /** What changes with the time. */
  showTime(shown) {
    const { boardId, client, definition, final, heldSeconds, userId, mayChoose } = shown;
    const season = client.board?.season ?? null;
    const isAwaited = !client.board && boardId !== MAIN && definition?.period !== "none";
    const about = { definition, season, isAwaited };
    if (final) this.#line.showFinal({ ...about, final, heldSeconds, userId });
    else this.#line.showLive({ ...about, upcoming: this.seasons.upcoming(season), nowMs: client.serverTimeMs });
    this.seasons.show(season, final?.season ?? null, definition?.zone, mayChoose);
    put(this.#parts.fresh, final ? "" : this.#freshness(client));
    this.#showState(shown);
  }

  #showState({ client, lamp }) {
    const { status, statusText } = this.#parts;
    status.hidden = !lamp;
    status.dataset.status = client.state.status;
    put(statusText, lamp ? this.describe(client.state) : "");
  }

  /** Nothing can be shown: the address is none. */
  refuse(size) {
    this.#rows.wait(size);
    put(this.#parts.fresh, this.#words.text("none.address"));
  }

  stop() {
    this.#rows.stop();
  }

  #showTitle({ boardId, definition, heading, level, size }) {
    const { board, title } = this.#parts;
    const own = boardId === MAIN ? this.#words.text("top", { count: size }) : titleOf(definition ?? { title: boardId }, this.#words);
    const text = heading ?? own;
    put(title, text);
    title.ariaLevel = level;
    title.hidden = !text;
    board.ariaLabel = text ? null : own;
  }

  /** When the board changed, or when it was last known to be the newest if that is no longer so. */
  #freshness({ board, ageSeconds, state, serverTimeMs }) {
    if (!board) {
      return state.status === "offline" ? this.#words.text(`none.${state.reason || "unreachable"}`) : NOTHING_YET;
    }
    if (state.status !== "live" && ageSeconds > STALE_SECONDS) {
      return this.#words.text("fresh.asOf", { ago: this.#ago(ageSeconds) });
    }
    const ago = this.#ago((serverTimeMs - Date.parse(board.timestamp)) / 1000);
    if (board.entries.length) return this.#words.text("fresh.changed", { ago });
    return isOpen(board) ? this.#words.text("fresh.nobody") : "";
  }

  #ago(seconds) {
    if (seconds < 5) return this.#words.text("ago.now");
    const [unit, size] = AGO.find(([, each]) => seconds >= each) ?? ["seconds", 1];
    const count = Math.floor(seconds / size);
    return this.#words.text(`ago.${unit}`, { count: unit === "seconds" ? count - (count % 5) : count });
  }
}

/** Fill a shadow tree. Returns its parts by name. */
function fill(root) {
  const parts = {
    title: make("div", { part: "title", role: "heading", id: "board-title", className: "title", tabIndex: -1 }),
    fresh: make("p", { part: "freshness", id: "fresh", className: "fresh" }, NOTHING_YET),
    statusText: make("span", { role: "status" }),
    text: make("span", { id: "season-text" }),
    left: make("time", { part: "countdown", id: "season-left", role: "timer" }),
    rule: make("p", { id: "rule", className: "rule", hidden: true }),
    choiceLabel: make("span"),
    choice: make("select", { part: "choice", id: "seasons" }),
    endText: make("p", { id: "end-text", role: "status" }),
    endGo: make("button", { part: "button", id: "end-go", type: "button" }),
    endLeft: make("span", { id: "end-left" }),
    rows: make("ol", { part: "rows", id: "rows", className: "rows waiting", role: "list" }),
    spoken: make("p", { id: "spoken", className: "hidden", ariaLive: "polite" }),
  };
  const lamp = make("span", { part: "lamp", className: "lamp" });
  parts.status = make("p", { part: "state", className: "status", hidden: true }, lamp, parts.statusText);
  parts.end = make("p", { id: "end", className: "go", hidden: true }, parts.endGo, " ", parts.endLeft);
  const when = make("p", { className: "when" }, parts.text, NOTHING_YET, parts.left);
  const past = make("label", { className: "past", hidden: true }, parts.choiceLabel, " ", parts.choice);
  parts.board = make(
    "section",
    { part: "board", className: "board" },
    make("div", { part: "head", className: "head" }, parts.title, parts.fresh, parts.status),
    make("div", { part: "season", className: "season" }, when, parts.rule, past),
    make("div", { part: "end", className: "end" }, parts.endText, parts.end),
    parts.rows,
    parts.spoken,
    make("slot", { name: "below" }),
  );
  parts.board.setAttribute("aria-labelledby", "board-title");
  root.append(parts.board);
  return parts;
}
