/** Draws boards: ten rows of fixed height, and what moved since the one before. */

const RANKS = 10;
const MOVE_MS = 650;
const EASING = "cubic-bezier(.2, .8, .2, 1)";
const MARKS_MS = 10_000;
const SPEAK_MS = 4_000;

const numbers = new Intl.NumberFormat("en");
const ordinals = new Intl.PluralRules("en", { type: "ordinal" });
const SUFFIXES = { one: "st", two: "nd", few: "rd", other: "th" };

export const ordinal = (rank) => `${numbers.format(rank)}${SUFFIXES[ordinals.select(rank)]}`;
export const points = (score) => numbers.format(score);

export class BoardView {
  #list;
  #spoken;
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
    this.#spoken = spoken;
  }

  /** Mark this user's row. */
  mark(userId) {
    this.#userId = userId;
    for (const [id, row] of this.#rows) row.classList.toggle("mine", id === userId);
  }

  show(board) {
    const before = this.#board;
    this.#board = board;
    const boxes = this.#boxes();
    this.#fill(board.entries);
    this.#list.classList.remove("waiting");
    this.#list.classList.toggle("fresh-start", board.entries.length === 0);
    this.#past.push({ at: Date.now(), entries: board.entries });
    this.#markMoves();
    if (!before) return;
    this.#animate(boxes);
    this.#speakSoon(before);
  }

  #fill(entries) {
    const rows = entries.map((entry, index) => this.#row(entry, index, entries[0].score));
    this.#rows = new Map(entries.map(({ userId }, index) => [userId, rows[index]]));
    for (let index = rows.length; index < RANKS; index += 1) rows.push(emptyRow(index));
    this.#list.replaceChildren(...rows);
  }

  #row({ userId, username, score }, index, leading) {
    const row = this.#rows.get(userId) ?? newRow();
    row.classList.toggle("mine", userId === this.#userId);
    row.style.setProperty("--share", leading > 0 ? score / leading : 0);
    const [rank, name, , value] = row.children;
    // Names are strangers' text: textContent, here and everywhere.
    rank.textContent = index + 1;
    name.firstChild.textContent = username;
    name.title = username;
    value.textContent = points(score);
    value.append(hidden(" points"));
    return row;
  }

  /** Who rose, fell or came within the last seconds: so a busy board's marks do not flicker. */
  #markMoves() {
    clearTimeout(this.#marksTimer);
    const since = Date.now() - MARKS_MS;
    while (this.#past.length > 1 && this.#past[1].at <= since) this.#past.shift();
    const moves = movements(this.#past[0].entries, this.#board.entries);
    for (const [userId, row] of this.#rows) setMove(row.children[2], moves.get(userId));
    if (this.#past.length === 1) return;
    this.#marksTimer = setTimeout(() => this.#markMoves(), this.#past[1].at - since);
  }

  #boxes() {
    return new Map([...this.#rows].map(([id, row]) => [id, row.getBoundingClientRect().top]));
  }

  /** First, last, invert, play: from where a row is seen now, also in the middle of a movement. */
  #animate(before) {
    if (this.#stillness.matches || document.hidden) return;
    for (const row of this.#rows.values()) row.getAnimations().forEach((one) => one.cancel());
    for (const [userId, row] of this.#rows) {
      const from = before.get(userId);
      const way = from === undefined ? 0 : from - row.getBoundingClientRect().top;
      if (from === undefined) enter(row);
      else if (Math.abs(way) > 1) glide(row, way);
    }
  }

  /** Screen readers get one sentence now and then, not one for every change. */
  #speakSoon(before) {
    this.#unspoken ??= before;
    this.#speakTimer ??= setTimeout(() => {
      const sentence = changes(this.#unspoken.entries, this.#board.entries);
      this.#speakTimer = this.#unspoken = null;
      if (sentence) this.#spoken.textContent = sentence;
    }, SPEAK_MS);
  }
}

function newRow() {
  const row = document.createElement("li");
  row.className = "row";
  for (const part of ["rank", "name", "move", "score"]) {
    row.append(Object.assign(document.createElement("span"), { className: part }));
  }
  row.children[1].append(document.createElement("bdi")); // what it holds cannot turn the line around
  return row;
}

function emptyRow(index) {
  const row = newRow();
  row.classList.add("empty");
  row.children[0].textContent = index + 1;
  row.setAttribute("aria-hidden", "true");
  return row;
}

function hidden(text) {
  return Object.assign(document.createElement("span"), { className: "hidden", textContent: text });
}

/** How many places each one rose (above 0) or fell; "new" for who was not there. */
function movements(before, after) {
  const places = new Map(before.map(({ userId }, index) => [userId, index]));
  const moves = new Map();
  after.forEach(({ userId }, index) => {
    const from = places.get(userId);
    if (from === undefined) moves.set(userId, "new");
    else if (from !== index) moves.set(userId, from - index);
  });
  return moves;
}

function setMove(cell, move) {
  if (cell.dataset.move === String(move)) return;
  cell.dataset.move = move;
  cell.className = "move";
  cell.replaceChildren();
  if (move === undefined) return;
  if (move === "new") {
    cell.classList.add("new");
    cell.append("NEW");
    return;
  }
  const up = move > 0;
  const sign = document.createElement("span");
  sign.textContent = `${up ? "▲" : "▼"} `;
  sign.ariaHidden = "true";
  cell.classList.add(up ? "up" : "down");
  cell.append(sign, hidden(up ? "up " : "down "), String(Math.abs(move)));
}

function glide(row, way) {
  const rises = way > 0;
  row.animate(
    [
      { transform: `translateY(${way}px)`, zIndex: rises ? 1 : 0 },
      { transform: "none", zIndex: rises ? 1 : 0 },
    ],
    { duration: MOVE_MS, easing: EASING },
  );
}

function enter(row) {
  row.animate(
    [{ opacity: 0, transform: "translateX(2.5rem)" }, { opacity: 1, transform: "none" }],
    { duration: MOVE_MS, easing: EASING },
  );
}

function changes(before, after) {
  const moves = movements(before, after);
  const risen = after.filter(({ userId }) => moves.get(userId) === "new" || moves.get(userId) > 0);
  return risen
    .slice(0, 3)
    .map((entry) => `${entry.username} is ${ordinal(after.indexOf(entry) + 1)} with ${points(entry.score)} points.`)
    .join(" ");
}
