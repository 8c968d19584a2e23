/** Which season is shown: how long it still lasts, or that it has ended and who won. */

import { NOTHING_YET, plainName, write } from "./nodes.js";
import { seasonName } from "./season-list.js";

const UNITS = [["days", 86_400], ["hours", 3_600], ["minutes", 60], ["seconds", 1]];

export class SeasonLine {
  #parts;
  #words;

  /** `parts` are elements: text, left, rule, end, endText, endGo, endLeft, title. */
  constructor(parts) {
    this.#parts = parts;
  }

  speak(words) {
    this.#words = words;
  }

  /** Above the live board: its season or null, the next one or null, the server's time in ms. `isAwaited`: a
   *  season is to be expected, and has its room already. */
  showLive({ definition, season, upcoming, nowMs, isAwaited }) {
    const { end, endText, title } = this.#parts;
    const { text, until } = isAwaited ? { text: NOTHING_YET } : this.#sentence(definition, season, upcoming, nowMs);
    this.#showLine(definition, text, until, nowMs);
    // The button goes away: whoever had come to it is not sent to the top of the page.
    if (end.contains(end.getRootNode().activeElement)) title.focus({ preventScroll: true });
    end.hidden = true;
    write(endText, "");
  }

  /** Above a final board, `{season, entries}`, whose entries are null until they are there, and for good with
   *  `isMissing`. `heldSeconds` says how long it stays in sight by itself: Infinity where somebody chose it. */
  showFinal({ definition, final, season, heldSeconds, userId }) {
    const { end, endText, endGo, endLeft } = this.#parts;
    const isHeld = Number.isFinite(heldSeconds);
    const name = final.season.startsAt ? seasonName(this.#words, final.season, definition?.zone) : NOTHING_YET;
    this.#showLine(definition, name);
    write(endText, isHeld ? this.#announcement(final, definition, userId) : this.#description(final));
    const isNew = isHeld && season?.number > final.season.number;
    const back = season && season.state !== "running" ? "end.back" : "end.live";
    write(endGo, this.#words.text(isNew ? "end.next" : back, { season: season?.number ?? 0 }));
    write(endLeft, isHeld ? this.#words.text("end.left", { count: heldSeconds }) : "");
    end.hidden = false;
  }

  #showLine(definition, text, until, nowMs) {
    const { left, rule } = this.#parts;
    write(this.#parts.text, text);
    write(left, until ? this.#duration(Math.ceil((Date.parse(until) - nowMs) / 1000)) : "");
    left.dateTime = until ?? "";
    left.title = until ? this.#local(until) : "";
    const { direction, counts } = definition ?? {};
    const rules = [direction === "low" && "low", ["listed", "results"].includes(counts) && counts].filter(Boolean);
    write(rule, rules.map((each) => this.#words.text(`rule.${each}`)).join(" "));
    rule.hidden = !rules.length;
  }

  /** A time as the visitor's clock shows it. */
  #local(time) {
    return this.#words.dates({ dateStyle: "full", timeStyle: "short", hourCycle: "h23" }).format(Date.parse(time));
  }

  /** What to say of a live board, and the time that it counts down to. The time decides, also while no
   *  server can be asked. */
  #sentence(definition, season, upcoming, nowMs) {
    const say = (key, values) => this.#words.text(`season.${key}`, values);
    const isDue = (time) => Date.parse(time) <= nowMs;
    const name = season?.endsAt ? seasonName(this.#words, season, definition?.zone) : "";
    const isRunning = season?.state === "running" && !(name && isDue(season.endsAt));
    if (isRunning && name) return { text: say("endsIn", { name }), until: season.endsAt };
    if (definition?.closedAt) {
      const closed = say("closed", { date: this.#local(definition.closedAt) });
      return { text: `${name ? `${name}. ` : ""}${closed}` };
    }
    const over = !season || isRunning ? "" : `${name ? say("ended", { name }) : say("someEnded")} `;
    const next = { season: upcoming?.number ?? 0 };
    if (upcoming && isDue(upcoming.startsAt)) return { text: over + say("begun", next) };
    if (upcoming) return { text: over + say("beginsIn", next), until: upcoming.startsAt };
    return { text: over || (definition?.season === null ? say("none") : "") };
  }

  /** What is said when a season ends before one's eyes. */
  #announcement({ season, entries }, definition, userId) {
    const say = (key, values) => this.#words.text(`end.${key}`, values);
    const name = this.#words.text("season", { season: season.number });
    const ended = this.#words.text("season.ended", { name });
    if (!entries.length) return `${ended} ${say("nobody")}`;
    const place = entries.findIndex((entry) => entry.userId === userId) + 1;
    const [{ username, score }] = entries;
    const points = this.#words.text("points", { count: score });
    const isOpen = Boolean(definition?.graceSeconds); // until late results are in
    const [wins, winsYou] = isOpen ? ["first", "youFirst"] : ["wins", "youWin"];
    const winner = say(place === 1 ? winsYou : wins, { name: plainName(username), points });
    const you = place > 1 ? ` ${say("you", { place, rank: this.#words.ordinal(place) })}` : "";
    return `${ended} ${winner}${you}`;
  }

  #description({ season, entries, isMissing }) {
    const say = (key, values) => this.#words.text(`end.${key}`, values);
    if (!entries) return say(isMissing ? "missing" : "loading", { season: season.number });
    return season.state === "final" ? say("final", { date: this.#local(season.endsAt) }) : say("open");
  }

  /** `2 d 03 h 04 min 05 s`, without the units in front that are 0. */
  #duration(seconds) {
    const parts = UNITS.map(([unit, size], index) => {
      const whole = index ? Math.floor((seconds % UNITS[index - 1][1]) / size) : Math.floor(seconds / size);
      return [whole, unit];
    });
    const first = parts.findIndex(([whole]) => whole > 0);
    const shown = parts.slice(first < 0 ? -1 : first);
    const padded = (whole) => `${whole < 10 ? this.#words.number(0) : ""}${this.#words.number(whole)}`;
    const write = ([whole, unit], index) =>
      this.#words.text(`unit.${unit}`, { number: index ? padded(whole) : this.#words.number(whole) });
    return shown.map(write).join(" ");
  }
}
