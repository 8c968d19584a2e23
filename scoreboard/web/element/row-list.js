/** Draws boards: rows of fixed height, and which of them moved. */

import { make, plainName } from "./nodes.js";

const MOVEMENT = { duration: 650, easing: "cubic-bezier(.2, .8, .2, 1)" };
const MARKS_MS = 10_000;
const SPEAK_MS = 4_000;
const LONG_CHARS = 10; // a score that leaves no room for a name on a phone

/** A list of rows: as many as the board has places. */
export class RowList {
  #list;
  #spoken;
  #words;
  #size = 0;
  #of = null; // what the boards are of that follow each other here; null before the first
  #rows = new Map(); // by userId
  #board = null;
  #userId = null;
  #past = []; // boards of the last MARKS_MS, and the one that held when they began
  #marksTimer;
  #speakTimer;
  #unspoken = null; // the board as it was when we last spoke
  #stillness = matchMedia("(prefers-reduced-motion: reduce)");

  constructor(list, spoken) {
    [this.#list, this.#spoken] = [list, spoken];
  }

  /** Speak with these words from now on. */
  speak(words) {
    this.#words = words;
    const board = this.#board;
    if (!board) return;
    this.#rows = new Map(); // every text of a row is of a language
    this.#fill(board.entries);
    this.#markMoves();
  }

  /** Mark this user's row. */
  mark(userId) {
    this.#userId = userId;
    for (const [id, row] of this.#rows) this.#setMine(row, id);
  }

  /** Draw rows of which nobody knows yet who is there. */
  wait(size) {
    if (this.#of === null && size === this.#size) return;
    this.#begin(null);
    this.#size = size;
    this.#fill([]);
    this.#list.classList.add("waiting");
    this.#list.classList.remove("fresh-start");
  }

  /** Draw a board of so many places. It follows on the one before if both are `of` the same: a board and
   *  its season. `invites`: whether somebody can be the first. */
  show(board, { of, size, invites = false }) {
    if (of !== this.#of) this.#begin(of);
    const before = this.#board;
    if (board === before && size === this.#size) return;
    this.#board = board;
    this.#size = size;
    const tops = this.#tops();
    this.#fill(board.entries);
    this.#list.classList.remove("waiting");
    this.#list.classList.toggle("fresh-start", invites && board.entries.length === 0);
    if (board === before) return;
    this.#past.push({ at: Date.now(), entries: board.entries });
    this.#markMoves();
    if (!before) return;
    this.#animate(tops);
    this.#speakSoon(before);
  }

  /** Nobody looks any more: no timer is left behind. */
  stop() {
    this.#begin(null);
    this.#spoken.textContent = "";
    this.#size = 0;
  }

  #begin(of) {
    clearTimeout(this.#marksTimer);
    clearTimeout(this.#speakTimer);
    this.#of = of;
    this.#rows = new Map();
    this.#past = [];
    this.#board = this.#unspoken = this.#speakTimer = null;
  }

  #fill(entries) {
    const share = shares(entries);
    const shown = entries.slice(0, this.#size);
    const rows = shown.map((entry, index) => this.#row(entry, index, share(entry)));
    this.#rows = new Map(shown.map(({ userId }, index) => [userId, rows[index]]));
    for (let index = rows.length; index < this.#size; index += 1) rows.push(this.#emptyRow(index));
    this.#list.classList.toggle("long", shown.some(({ score }) => this.#words.number(score).length >= LONG_CHARS));
    this.#list.replaceChildren(...rows);
  }

  #row({ userId, username, score }, index, share) {
    const row = this.#rows.get(userId) ?? newRow();
    row.style.setProperty("--share", share);
    row.style.setProperty("--chars", username.length); // for who wants to fit the size of names
    const [rank, name, , value] = row.children;
    // Strangers chose the names: textContent, here and everywhere.
    rank.textContent = this.#words.number(index + 1);
    name.firstChild.textContent = username;
    name.title = username;
    value.replaceChildren(...this.#points(score));
    this.#setMine(row, userId);
    return row;
  }

  #setMine(row, userId) {
    const isMine = userId === this.#userId;
    row.classList.toggle("mine", isMine);
    row.setAttribute("part", isMine ? "row mine" : "row");
    row.children[1].dataset.you = this.#words.text("you");
  }

  /** Figures to see; what they are of, in words, is for those who hear it. */
  #points(score) {
    const figures = this.#words.number(score);
    const text = this.#words.text("points", { count: score });
    const at = text.indexOf(figures);
    // Languages have words for one and two, without a figure.
    if (at < 0) return [make("span", { ariaHidden: "true" }, figures), hidden(text)];
    const around = [text.slice(0, at), text.slice(at + figures.length)];
    const [before, after] = around.map((part) => (part ? [hidden(part)] : []));
    return [...before, figures, ...after];
  }

  #emptyRow(index) {
    const row = newRow("row empty");
    const [rank, name] = row.children;
    rank.textContent = this.#words.number(index + 1);
    name.dataset.first = index ? "" : this.#words.text("row.first");
    row.setAttribute("aria-hidden", "true");
    return row;
  }

  /** Mark who rose, fell or came within the last seconds, so that marks of a busy board can be read. */
  #markMoves() {
    clearTimeout(this.#marksTimer);
    const since = Date.now() - MARKS_MS;
    while (this.#past.length > 1 && this.#past[1].at <= since) this.#past.shift();
    const moves = movements(this.#past[0].entries, this.#board.entries);
    for (const [userId, row] of this.#rows) this.#setMove(row.children[2], moves.get(userId));
    if (this.#past.length === 1) return;
    this.#marksTimer = setTimeout(() => this.#markMoves(), this.#past[1].at - since);
  }

  #setMove(cell, move) {
    if (cell.dataset.move === String(move)) return;
    cell.dataset.move = move;
    const kind = move === "new" ? "new" : move > 0 ? "up" : move < 0 ? "down" : "";
    cell.className = `move ${kind}`.trim();
    cell.setAttribute("part", cell.className);
    cell.replaceChildren();
    if (!kind) return;
    if (kind === "new") return cell.append(this.#words.text("row.new"));
    const sign = make("span", { ariaHidden: "true" }, kind === "up" ? "▲ " : "▼ ");
    const ranks = this.#words.number(Math.abs(move));
    cell.append(sign, hidden(`${this.#words.text(`row.${kind}`)} `), ranks);
  }

  #tops() {
    return new Map([...this.#rows].map(([id, row]) => [id, row.getBoundingClientRect().top]));
  }

  /** Move each row from where it was seen (`tops` in px), also in the middle of a movement. */
  #animate(tops) {
    if (this.#stillness.matches || document.hidden) return;
    const aside = this.#words.direction === "rtl" ? "-2.5rem" : "2.5rem";
    const entrance = [{ opacity: 0, transform: `translateX(${aside})` }, { opacity: 1, transform: "none" }];
    for (const row of this.#rows.values()) row.getAnimations().forEach((one) => one.cancel());
    for (const [userId, row] of this.#rows) {
      const from = tops.get(userId);
      if (from === undefined) row.animate(entrance, MOVEMENT);
      else glide(row, from - row.getBoundingClientRect().top);
    }
  }

  /** Tell screen readers the changes of some seconds together. */
  #speakSoon(before) {
    this.#unspoken ??= before;
    this.#speakTimer ??= setTimeout(() => {
      const sentences = this.#changes(this.#unspoken.entries, this.#board.entries);
      this.#speakTimer = this.#unspoken = null;
      if (sentences) this.#spoken.textContent = sentences;
    }, SPEAK_MS);
  }

  /** A sentence for each of the highest three who rose or came. */
  #changes(before, after) {
    const moves = movements(before, after);
    const risen = after.filter(({ userId }) => moves.get(userId) === "new" || moves.get(userId) > 0);
    const says = ({ username, score }, place) =>
      this.#words.text("row.says", {
        name: plainName(username),
        place,
        rank: this.#words.ordinal(place),
        points: this.#words.text("points", { count: score }),
      });
    return risen.slice(0, 3).map((entry) => says(entry, after.indexOf(entry) + 1)).join(" ");
  }
}

/** How long an entry's bar is, the best one's being 1: the lower the shorter, or the other way around. */
function shares(entries) {
  const best = entries[0]?.score;
  const isLow = best < entries.at(-1)?.score;
  return ({ score }) => (isLow ? best / score : best > 0 ? score / best : 0);
}

function newRow(className = "row") {
  const cells = ["rank", "name", "move", "score"].map((part) => make("span", { className: part, part }));
  cells[1].append(document.createElement("bdi")); // a name cannot turn the line around
  return make("li", { className, part: className }, ...cells);
}

function hidden(text) {
  return make("span", { className: "hidden" }, text);
}

/** By user: how many ranks they rose (above 0) or fell; "new" for those who were not there. */
function movements(before, after) {
  const indexes = new Map(before.map(({ userId }, index) => [userId, index]));
  const move = ({ userId }, index) => (indexes.has(userId) ? indexes.get(userId) - index : "new");
  return new Map(after.map((entry, index) => [entry.userId, move(entry, index)]));
}

function glide(row, wayPx) {
  const zIndex = wayPx > 0 ? 1 : 0; // who rises passes in front
  const from = { transform: `translateY(${wayPx}px)`, zIndex };
  if (Math.abs(wayPx) > 1) row.animate([from, { transform: "none", zIndex }], MOVEMENT);
}
