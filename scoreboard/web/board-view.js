/** Draws boards: rows of fixed height, and which of them moved. */

const MOVEMENT = { duration: 650, easing: "cubic-bezier(.2, .8, .2, 1)" };
const ENTRANCE = [{ opacity: 0, transform: "translateX(2.5rem)" }, { opacity: 1, transform: "none" }];
const MARKS_MS = 10_000;
const SPEAK_MS = 4_000;

const numbers = new Intl.NumberFormat("en");
const ordinals = new Intl.PluralRules("en", { type: "ordinal" });
const SUFFIXES = { one: "st", two: "nd", few: "rd", other: "th" };

export const ordinal = (rank) => `${numbers.format(rank)}${SUFFIXES[ordinals.select(rank)]}`;
export const points = (score) => numbers.format(score);
const unit = (score) => (score === 1 ? "point" : "points");
export const pointsInWords = (score) => `${points(score)} ${unit(score)}`;

/** What a rank is called: `48,213th`, or how far beyond it is while ranks are being loaded. */
export function rankInWords({ rank, rankAbove }) {
  if (rank) return ordinal(rank);
  return rankAbove ? `> ${points(rankAbove)}` : "–";
}

/** A list of rows: as many as the board has places. */
export class BoardView {
  #list;
  #spoken;
  #size;
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
    this.#list = list;
    this.#size = list.children.length;
    this.#spoken = spoken;
  }

  /** Mark this user's row. */
  mark(userId) {
    this.#userId = userId;
    for (const [id, row] of this.#rows) row.classList.toggle("mine", id === userId);
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
    const rows = entries.map((entry, index) => this.#row(entry, index, share(entry)));
    this.#rows = new Map(entries.map(({ userId }, index) => [userId, rows[index]]));
    for (let index = rows.length; index < this.#size; index += 1) rows.push(emptyRow(index));
    this.#list.replaceChildren(...rows);
  }

  #row({ userId, username, score }, index, share) {
    const row = this.#rows.get(userId) ?? newRow();
    row.classList.toggle("mine", userId === this.#userId);
    row.style.setProperty("--share", share);
    const [rank, name, , value] = row.children;
    // Strangers chose the names: textContent, here and everywhere.
    rank.textContent = index + 1;
    name.firstChild.textContent = username;
    name.title = username;
    value.textContent = points(score);
    value.append(span("hidden", ` ${unit(score)}`));
    return row;
  }

  /** Mark who rose, fell or came within the last seconds, so that marks of a busy board can be read. */
  #markMoves() {
    clearTimeout(this.#marksTimer);
    const since = Date.now() - MARKS_MS;
    while (this.#past.length > 1 && this.#past[1].at <= since) this.#past.shift();
    const moves = movements(this.#past[0].entries, this.#board.entries);
    for (const [userId, row] of this.#rows) setMove(row.children[2], moves.get(userId));
    if (this.#past.length === 1) return;
    this.#marksTimer = setTimeout(() => this.#markMoves(), this.#past[1].at - since);
  }

  #tops() {
    return new Map([...this.#rows].map(([id, row]) => [id, row.getBoundingClientRect().top]));
  }

  /** Move each row from where it was seen (`tops` in px), also in the middle of a movement. */
  #animate(tops) {
    if (this.#stillness.matches || document.hidden) return;
    for (const row of this.#rows.values()) row.getAnimations().forEach((one) => one.cancel());
    for (const [userId, row] of this.#rows) {
      const from = tops.get(userId);
      if (from === undefined) row.animate(ENTRANCE, MOVEMENT);
      else glide(row, from - row.getBoundingClientRect().top);
    }
  }

  /** Tell screen readers the changes of some seconds together. */
  #speakSoon(before) {
    this.#unspoken ??= before;
    this.#speakTimer ??= setTimeout(() => {
      const sentence = changes(this.#unspoken.entries, this.#board.entries);
      this.#speakTimer = this.#unspoken = null;
      if (sentence) this.#spoken.textContent = sentence;
    }, SPEAK_MS);
  }
}

/** How long an entry's bar is, the best one's being 1: the lower the shorter, or the other way around. */
function shares(entries) {
  const best = entries[0]?.score;
  const isLow = best < entries.at(-1)?.score;
  return ({ score }) => (isLow ? best / score : best > 0 ? score / best : 0);
}

function newRow() {
  const row = document.createElement("li");
  row.className = "row";
  row.append(...["rank", "name", "move", "score"].map((part) => span(part)));
  row.children[1].append(document.createElement("bdi")); // a name cannot turn the line around
  return row;
}

function emptyRow(index) {
  const row = newRow();
  row.classList.add("empty");
  row.children[0].textContent = index + 1;
  row.setAttribute("aria-hidden", "true");
  return row;
}

function span(className, textContent = "") {
  return Object.assign(document.createElement("span"), { className, textContent });
}

/** By user: how many ranks they rose (above 0) or fell; "new" for those who were not there. */
function movements(before, after) {
  const indexes = new Map(before.map(({ userId }, index) => [userId, index]));
  const move = ({ userId }, index) => (indexes.has(userId) ? indexes.get(userId) - index : "new");
  return new Map(after.map((entry, index) => [entry.userId, move(entry, index)]));
}

function setMove(cell, move) {
  if (cell.dataset.move === String(move)) return;
  cell.dataset.move = move;
  cell.className = "move";
  cell.replaceChildren();
  if (move === 0) return;
  if (move === "new") {
    cell.classList.add("new");
    cell.append("NEW");
    return;
  }
  const up = move > 0;
  const sign = Object.assign(span("", up ? "▲ " : "▼ "), { ariaHidden: "true" });
  cell.classList.add(up ? "up" : "down");
  cell.append(sign, span("hidden", up ? "up " : "down "), String(Math.abs(move)));
}

function glide(row, wayPx) {
  const zIndex = wayPx > 0 ? 1 : 0; // who rises passes in front
  const from = { transform: `translateY(${wayPx}px)`, zIndex };
  if (Math.abs(wayPx) > 1) row.animate([from, { transform: "none", zIndex }], MOVEMENT);
}

/** A sentence for each of the highest three who rose or came. */
function changes(before, after) {
  const moves = movements(before, after);
  const risen = after.filter(({ userId }) => moves.get(userId) === "new" || moves.get(userId) > 0);
  return risen
    .slice(0, 3)
    .map((entry) => `${entry.username} is ${ordinal(after.indexOf(entry) + 1)} with ${pointsInWords(entry.score)}.`)
    .join(" ");
}
