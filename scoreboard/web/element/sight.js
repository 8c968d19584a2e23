/** What of a board is in sight: the live one, the winners of a season that has just ended, or a past season. */

import { MAIN } from "../client/scoreboard-client.js";

const REFRESH_MS = 300_000; // of what an operator may have changed
const SPREAD_MS = 5_000;
const LATE_MS = 30; // behind a full second: a timer may be early
const HOLD_SECONDS = 30; // how long the final board of a season stays in sight
const EVENTS = ["board", "state", "season:ended", "season:started"];

export class Sight {
  client;
  boardId;
  /** How the server describes the board; null while nobody knows. */
  definition;
  /** A season that has ended, whose final board is shown instead of the live one. */
  final = null;
  heldSeconds = Infinity; // for how long, if nobody chose it
  #isOwn;
  #isTold;
  #seasons;
  #listener;
  #listening = new AbortController();
  #timers = {};

  /** `isOwn`: nobody else starts and stops the client. `definition` is undefined where nobody tells it: then it is
   *  asked for. `listener` has onEvent(type, detail), onChange() and onTime(). */
  constructor(client, { boardId, isOwn, definition, seasons, listener }) {
    [this.client, this.boardId, this.#isOwn] = [client, boardId, isOwn];
    [this.#seasons, this.#listener] = [seasons, listener];
    [this.definition, this.#isTold] = [definition ?? null, definition !== undefined];
  }

  start() {
    const { signal } = this.#listening;
    for (const type of EVENTS) {
      this.client.addEventListener(type, ({ detail }) => this.#hear(type, detail), { signal });
    }
    this.#seasons.begin((after) => this.client.readSeasons(after));
    if (this.#isOwn) this.client.start();
    this.load();
    this.#timers.refresh = setInterval(() => document.hidden || this.load(), REFRESH_MS);
    this.#tick();
  }

  end() {
    this.#listening.abort();
    clearTimeout(this.#timers.tick);
    clearTimeout(this.#timers.load);
    clearInterval(this.#timers.refresh);
    if (this.#isOwn) this.client.stop();
  }

  get isChosen() {
    return Boolean(this.final) && this.heldSeconds === Infinity;
  }

  /** Somebody tells what the board is like. */
  tell(definition) {
    const isNew = JSON.stringify(definition) !== JSON.stringify(this.definition);
    [this.definition, this.#isTold] = [definition, true];
    if (isNew) this.load();
  }

  /** Look at a past season, or with null at the live board. */
  async lookAt(number) {
    this.heldSeconds = Infinity;
    if (number === null) {
      this.final = null;
      return;
    }
    const asked = { boardId: this.boardId, season: { number }, entries: null };
    this.final = asked;
    const found = await this.client.readSeason(number);
    if (this.final !== asked || this.#listening.signal.aborted) return; // somebody went on meanwhile
    const { board } = this.client;
    const isLive = board?.season?.number === number && board.season.state === "running";
    this.final = found ?? (isLive ? null : { ...asked, isMissing: true });
    this.#listener.onChange();
  }

  /** Ask now, for what could not be read as well. */
  refresh() {
    this.client.refresh();
    this.load();
    if (this.final && !this.final.entries) this.lookAt(this.final.season.number);
  }

  /** Ask what the board is like and which seasons it has. What cannot be read stays as it was. */
  async load() {
    const { signal } = this.#listening;
    if (!this.#isTold) {
      const definition = await this.client.readDefinition();
      if (signal.aborted) return;
      if (!this.#isTold) this.definition = definition ?? this.definition;
      if (definition) this.#listener.onChange();
    }
    if (this.boardId === MAIN || (this.definition?.period ?? "none") === "none") return;
    await this.#seasons.load();
    if (!signal.aborted) this.#listener.onChange();
  }

  #hear(type, detail) {
    if (type.startsWith("season")) this.#loadSoon();
    if (type === "season:ended") this.#hold(detail);
    else if (type === "board") this.#listener.onChange();
    this.#listener.onEvent(type, detail);
  }

  /** After a season's end, at which all who look on would ask at one moment. */
  #loadSoon() {
    this.#timers.load ??= setTimeout(() => {
      this.#timers.load = null;
      this.load();
    }, SPREAD_MS * Math.random());
  }

  /** A season has ended: its final board stays in sight for a while, or until somebody goes on. */
  #hold(ended) {
    if (this.isChosen || !ended.entries) return;
    this.final = ended;
    this.heldSeconds = HOLD_SECONDS;
    this.#listener.onChange();
  }

  /** At each full second of the server's clock, so that no second of the time left is missed or shown twice. */
  #tick() {
    this.#timers.tick = setTimeout(() => this.#tick(), 1_000 + LATE_MS - (this.client.serverTimeMs % 1_000));
    if (this.final && !document.hidden) this.heldSeconds -= 1;
    if (this.heldSeconds > 0) return this.#listener.onTime();
    this.lookAt(null);
    this.#listener.onChange();
  }
}
