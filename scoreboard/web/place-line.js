/** A line of a ranking: rank, name, score, and a star that follows the user. Lists of lines share its style sheet. */

import { create } from "./elements.js";
import { rankInWords, words } from "./words.js";

/** Resolves once lists can be drawn. Without its styles a list still works, and is plain. */
export const styled = new Promise((resolve) => {
  const link = create("link", { rel: "stylesheet", href: new URL("./places.css", import.meta.url) });
  link.addEventListener("load", resolve);
  link.addEventListener("error", resolve);
  document.head.append(link);
});

/** What a rank is called in a column: `48,213`. */
export const rankInFigures = ({ rank, rankAbove }) => (rank ? words.number(rank) : rankInWords({ rankAbove }));

/** Give the column of ranks of a list its width: that of the longest one. */
export function fitRanks(list, longest) {
  list.style.setProperty("--rank-ch", longest.length);
}

/** Whether others have the same score, and reached it earlier. */
export const isTied = ({ rank, competitionRank }) => Boolean(competitionRank) && competitionRank < rank;

export class PlaceLine {
  element;
  place = null;
  #parts;
  #friends;
  #onRefused;

  /** Make a line of that tag; `role` is one of its cells. `friends` is null for who follows nobody. */
  constructor(tag, { role = null, friends, onRefused }) {
    [this.#friends, this.#onRefused] = [friends, onRefused];
    const cell = (className) => create("span", { className, role });
    const star = create("button", { className: "star", type: "button", hidden: true });
    const name = create("bdi"); // a name cannot turn the line around
    this.#parts = { rank: cell("place-rank"), name, score: cell("place-score"), star };
    const [named, follows] = [cell("place-name"), cell("place-star")];
    named.append(name);
    follows.append(star);
    this.element = create(tag, { className: "place-line" });
    this.element.append(this.#parts.rank, named, this.#parts.score, follows);
    star.addEventListener("click", () => this.follow());
  }

  /** Show that place; `unknown` is shown in the place of one that is not loaded. */
  show(place, { userId, unknown = "…", rankAbove = null }) {
    this.place = place;
    const { rank, name, score } = this.#parts;
    const isMine = Boolean(place) && place.userId === userId;
    this.element.classList.toggle("mine", isMine);
    this.element.classList.toggle("unknown", !place);
    rank.textContent = place ? rankInFigures({ ...place, rankAbove }) : unknown;
    rank.classList.toggle("tied", Boolean(place) && isTied(place));
    if (place && isTied(place)) {
      rank.title = words.text("line.tiedWith", { rank: words.ordinal(place.competitionRank) });
      rank.append(create("span", { className: "hidden", textContent: ` ${words.text("line.tied")}` }));
    } else rank.removeAttribute("title");
    name.textContent = name.title = place?.username ?? "";
    score.textContent = place && place.score !== null ? words.number(place.score) : "";
    this.#parts.star.hidden = !place || isMine || !this.#friends;
    this.showStar();
  }

  showStar() {
    const { star } = this.#parts;
    if (star.hidden) return;
    const follows = this.#friends.has(this.place.userId);
    star.textContent = follows ? "★" : "☆";
    star.ariaPressed = String(follows);
    star.ariaLabel = words.text("line.follow", this.place);
    star.title = words.text(follows ? "line.follows" : "line.followShort");
  }

  /** Follow the user of this line, or no more. */
  async follow() {
    const { star } = this.#parts;
    if (star.hidden || star.ariaBusy === "true") return;
    star.ariaBusy = "true"; // a button that is disabled would lose the focus
    await this.#friends.toggle(this.place).catch(this.#onRefused);
    star.ariaBusy = null;
  }

  /** Whether Tab stops at its star. */
  set canTab(can) {
    this.#parts.star.tabIndex = can ? 0 : -1;
  }

  get text() {
    const { place } = this;
    if (!place) return "";
    const points = words.text("points", { count: place.score });
    return words.text("line.spoken", { rank: rankInWords(place), username: place.username, points });
  }
}
