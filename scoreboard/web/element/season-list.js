/** The seasons of one board: as the server lists them, and those that are past to choose from. */

import { isOver } from "../client/scoreboard-client.js";

const OLDER = "older";
const SHORT_MS = 20 * 3_600_000; // the day alone does not tell such a season from its neighbours

const newestFirst = (one, other) => other.number - one.number;

export class SeasonList {
  #select;
  #label;
  #onChosen;
  #words;
  #read = null;
  #seasons = []; // newest first
  #next = null; // where the older ones begin
  #drawn = []; // what the choice was drawn of

  /** `onChosen(number)`: somebody wants to see that season, or with null the live board. */
  constructor(select, label, onChosen) {
    [this.#select, this.#label, this.#onChosen] = [select, label, onChosen];
    select.addEventListener("change", () => this.#choose(select.value));
  }

  speak(words) {
    this.#words = words;
    this.#label.textContent = words.text("season.choice");
    this.#drawn = [];
  }

  /** Begin with another board, of whose seasons `read(after)` answers a page, or null. */
  begin(read) {
    this.#read = read;
    this.#seasons = [];
    this.#next = null;
  }

  /** Ask for the newest seasons, or for those behind a number. What cannot be read stays as it was. */
  async load(after = null) {
    const read = this.#read;
    const page = await read(after);
    if (!page || read !== this.#read) return;
    const asked = new Set(page.seasons.map(({ number }) => number));
    const others = this.#seasons.filter(({ number }) => !asked.has(number));
    if (after || !others.length) this.#next = page.next;
    const seasons = [...page.seasons, ...others].sort(newestFirst);
    // The same list again leaves alone who is choosing from it.
    if (JSON.stringify(seasons) !== JSON.stringify(this.#seasons)) this.#seasons = seasons;
  }

  /** The first season that has not begun, after this one if there is one. */
  upcoming(season) {
    const next = ({ number, state }) => state === "upcoming" && number > (season?.number ?? 0);
    return this.#seasons.findLast(next) ?? null;
  }

  /** Offer those that are past, `season` being the live one and `shown` a past one that is shown instead, or
   *  null. Nothing is offered unless somebody `mayChoose`. */
  show(season, shown, zone, mayChoose) {
    const drawn = [this.#seasons, this.#next, season?.number, season?.state, shown, zone, mayChoose];
    if (this.#drawn.length && drawn.every((each, index) => each === this.#drawn[index])) return;
    this.#drawn = drawn;
    const isLive = !season || season.state === "running";
    const past = this.#seasons.filter((each) => isOver(each) || each.number < season?.number);
    // One that is in no list here yet: it has just ended, or its address was sent to somebody.
    if (shown && !past.some(({ number }) => number === shown.number)) past.push(shown);
    past.sort(newestFirst);
    // A board that is closed, or between two seasons, shows the last one by itself; a user who was deleted
    // since is on its final board alone.
    const now = this.#words.text(isLive ? "season.live" : "season.now");
    const options = [["", now], ...past.map((each) => [`${each.number}`, seasonDates(this.#words, each, zone)])];
    if (this.#next && past.length) options.push([OLDER, this.#words.text("season.older")]);
    this.#select.replaceChildren(...options.map(([value, text]) => new Option(text, value)));
    this.#select.value = shown?.number ?? "";
    this.#select.parentElement.hidden = !mayChoose || options.length < 2;
  }

  #choose(value) {
    if (value !== OLDER) return this.#onChosen(Number(value) || null);
    this.#drawn = []; // nothing was chosen
    return this.load(this.#next);
  }
}

/** `Season 12, Nov 23 – 29, 2026`. */
export const seasonName = (words, season, zone) => words.text("season", { season: seasonDates(words, season, zone) });

/** Its number, and its days as the board's zone counts them. */
function seasonDates(words, { number, startsAt, endsAt = null }, zone) {
  if (!endsAt) return words.number(number);
  const [start, end] = [Date.parse(startsAt), Date.parse(endsAt)];
  const isShort = end - start < SHORT_MS;
  const style = { dateStyle: "medium", ...(isShort && { timeStyle: "short", hourCycle: "h23" }) };
  // The end is no part of a season.
  const days = words.dates({ ...style, timeZone: zone }).formatRange(start, isShort ? end : end - 1);
  return `${words.number(number)}, ${days}`;
}
