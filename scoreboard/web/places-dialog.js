/** All places of a board or of one of its seasons, and those of one's friends. */

import { create, setText } from "./elements.js";
import { FriendsList } from "./friends-list.js";
import { inWords } from "./messages.js";
import { PlaceLine, fitRanks, styled } from "./place-line.js";
import { Ranking, isPassing } from "./ranking.js";
import { Places } from "./scoreboard-client.js";
import { VirtualList } from "./virtual-list.js";
import { words } from "./words.js";

const MORE = 20; // lines that are read beside those in sight
const RENEW_MS = 5_000;

/** Event `close`: it is closed. */
export class PlacesDialog extends EventTarget {
  #about;
  #token;
  #userId;
  #friends;
  #parts;
  #ranking = null;
  #list;
  #friendsList = null;
  #renewTimer;
  #target = null; // the index of a row that gets the focus once it is read

  /** `friends` is null, and `userId`, for who is not logged in. */
  constructor(about, { token, userId, friends }) {
    super();
    [this.#about, this.#token, this.#userId, this.#friends] = [about, token, userId, friends];
    this.#parts = dialogOf(about, Boolean(userId));
    const { dialog, close, jump, form, everybody, friendly, turn, grid } = this.#parts;
    this.#list = new VirtualList(grid, {
      makeRow: () => this.#makeLine("div", "gridcell"),
      draw: (line, index) => this.#drawLine(line, index),
      onSeen: (first, last) => this.#see(first, last),
      onKey: (event, line) => this.#onKey(event, line),
    });
    dialog.addEventListener("close", () => this.#end());
    close.addEventListener("click", () => this.close());
    jump.addEventListener("click", () => this.#jump());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#goTo(Number(this.#parts.rank.value));
    });
    everybody.addEventListener("click", () => this.#choose(false));
    friendly.addEventListener("click", () => this.#choose(true));
    turn.addEventListener("click", () => this.#turn());
    friends?.addEventListener("change", this.#onFriends);
    const leave = () => this.#leaveTarget();
    for (const type of ["keydown", "wheel", "pointerdown"]) grid.addEventListener(type, leave, { passive: true });
  }

  /** Open it at that rank. */
  async show(rank) {
    await styled;
    document.body.append(this.#parts.dialog);
    this.#parts.dialog.showModal();
    this.#begin(this.#about.season);
    this.#renewTimer = setInterval(() => document.hidden || this.#ranking.renew(), RENEW_MS);
    this.#friends?.read().catch((refused) => this.#say(inWords(refused)));
    this.#goTo(rank);
  }

  close() {
    this.#parts.dialog.close();
  }

  /** The page shows something else by now: another season may have begun. */
  see(about) {
    const { turn, notice } = this.#parts;
    const shown = this.#ranking?.season?.number;
    const hasTurned = about.season === null && Boolean(shown) && about.live > shown;
    turn.hidden = !hasTurned;
    const seasons = { live: about.live, shown };
    setText(turn, hasTurned ? words.text("places.turn", seasons) : "");
    setText(notice, hasTurned ? words.text("places.turned", seasons) : "");
  }

  #end() {
    clearInterval(this.#renewTimer);
    this.#ranking?.end();
    this.#list.end();
    this.#friends?.removeEventListener("change", this.#onFriends);
    this.#parts.dialog.remove();
    this.dispatchEvent(new Event("close"));
  }

  #begin(season) {
    this.#ranking?.end();
    this.#ranking = new Ranking({ boardId: this.#about.boardId, season, getToken: this.#token });
    this.#ranking.addEventListener("change", () => this.#draw());
    this.#list.setCount(1, false); // room for a first line
  }

  #turn() {
    this.#begin(null);
    this.#parts.turn.hidden = true;
    setText(this.#parts.notice, "");
    this.#goTo(1);
  }

  #makeLine(tag, role) {
    return new PlaceLine(tag, { role, friends: this.#friends, onRefused: (refused) => this.#say(inWords(refused)) });
  }

  #drawLine(line, index) {
    const { rankAbove } = this.#ranking;
    const place = this.#ranking.line(index);
    const unknown = this.#ranking.isCounted ? words.number(index + 1) : "…";
    line.show(place, { userId: this.#userId, unknown, rankAbove });
  }

  /** Until a row that somebody went to is read, it is what is wanted. */
  #see(first, last) {
    if (this.#target === null) this.#ranking.want(first - MORE, last + MORE);
    this.#showWhere();
  }

  /** Other lines are known. Whoever is at one goes along with it if it has moved. */
  #draw() {
    const { count, isCounted, refused, season } = this.#ranking;
    const before = this.#list.focused;
    const to = before && this.#ranking.indexOf(before.row.place?.userId);
    fitRanks(this.#parts.grid, words.number(isCounted ? count : 1_000));
    this.#list.setCount(count, isCounted);
    if (to !== null && to !== before.index) this.#list.follow(before.index, to);
    const wasUnread = before && !before.row.place;
    this.#list.draw();
    if (wasUnread) setText(this.#parts.spoken, before.row.text); // nobody hears what appears at the focus
    this.#focusTarget();
    this.#say(refused ? this.#describe(refused) : "");
    if (season) setText(this.#parts.season, ofSeason(season.number));
    this.#parts.grid.classList.toggle("nobody", count === 0);
    this.#showWhere();
  }

  #showWhere() {
    const { first, last } = this.#list.seen;
    const { count, isCounted } = this.#ranking;
    this.#parts.rank.max = isCounted ? Math.max(1, count) : "";
    if (count === 0) {
      for (const part of [this.#parts.spoken, this.#parts.where]) setText(part, words.text("places.nobody"));
      return;
    }
    const shown = { first: first + 1, last: last + 1, total: count };
    setText(this.#parts.where, words.text(isCounted ? "places.where" : "places.whereUncounted", shown));
  }

  /** Go to that rank, or to the last one. */
  #goTo(rank) {
    this.#choose(false);
    this.#target = Math.max(1, Math.floor(rank) || 1) - 1;
    this.#focusTarget();
  }

  #focusTarget() {
    if (this.#target === null) return;
    const { count, isCounted, refused } = this.#ranking;
    if (isCounted) this.#target = Math.min(this.#target, count - 1); // there may be no such rank
    const isHopeless = refused && !isPassing(refused); // else it is asked for again
    const index = this.#target;
    const isThere = index >= 0 && !isHopeless;
    if (isThere && !this.#ranking.line(index)) {
      this.#ranking.want(index - MORE, index + MORE);
      return;
    }
    this.#target = null;
    if (isThere) return this.#list.focus(index, "center");
    const { first, last } = this.#list.seen;
    this.#see(first, last);
  }

  /** Whoever moves on in the list does not wait for a rank any more. */
  #leaveTarget() {
    if (this.#target === null) return;
    this.#target = null;
    this.#say("");
  }

  #describe(refused) {
    if (refused.status === 410) return words.text("places.notKept");
    if (refused.status !== 503 || this.#target === null || this.#ranking.isCounted) return inWords(refused);
    return words.text("places.counting", { rank: words.ordinal(this.#target + 1) });
  }

  async #jump() {
    const { boardId, season } = this.#about;
    const number = this.#ranking.season?.number ?? season;
    const places = new Places({ url: "api/leaderboard", board: boardId, season: number, getToken: this.#token });
    try {
      const { place } = await places.me({ around: 0 });
      if (place.rank) return this.#goTo(place.rank);
      this.#say(words.text(place.rankAbove ? "places.countingAll" : "places.noneOfYours"));
    } catch (refused) {
      this.#say(inWords(refused));
    }
  }

  #onKey(event, line) {
    if (event.key !== "Enter" || event.target !== line?.element) return;
    event.preventDefault();
    line.follow();
  }

  #onFriends = () => {
    this.#list.draw();
    this.#friendsList?.showStars();
  };

  #choose(isFriends) {
    const { everybody, friendly, whole, friends } = this.#parts;
    everybody.ariaPressed = String(!isFriends);
    friendly.ariaPressed = String(isFriends);
    whole.hidden = isFriends;
    friends.hidden = !isFriends;
    if (!isFriends) return;
    this.#friendsList ??= new FriendsList(friends, () => this.#makeLine("li"));
    const { boardId } = this.#about;
    const season = this.#ranking.season?.number ?? this.#about.season;
    this.#friendsList.show({ boardId, season, userId: this.#userId, getToken: this.#token, friends: this.#friends });
  }

  #say(text) {
    setText(this.#parts.answer, text);
  }
}

const ofSeason = (number) => words.text("places.ofSeason", { number });

const keysOf = (isUser) => ["places.keys", ...(isUser ? ["places.followKey"] : [])].map((key) => words.text(key)).join(" ");

function dialogOf({ title, season }, isUser) {
  const button = (textContent, more) => create("button", { type: "button", textContent, ...more });
  const quiet = (textContent, more = {}) => button(textContent, { className: "quiet", ...more });
  const seasonText = create("span", { textContent: season === null ? "" : ofSeason(season) });
  const parts = {
    season: seasonText,
    close: quiet(words.text("close")),
    turn: quiet("", { hidden: true }),
    jump: quiet(words.text("places.jump"), { hidden: !isUser }),
    everybody: button(words.text("places.everybody"), { ariaPressed: "true" }),
    friendly: button(words.text("friends"), { ariaPressed: "false" }),
    notice: create("p", { role: "status" }),
    answer: create("p", { className: "answer bad", role: "status" }),
    where: create("p", { className: "place-where" }),
    spoken: create("p", { className: "hidden", role: "status" }),
    rank: create("input", { id: "go-to-rank", type: "number", min: 1, required: true, placeholder: words.text("rank") }),
    grid: create("div", { className: "place-grid", role: "grid" }),
    friends: create("div", { className: "place-friends", hidden: true }),
  };
  const heading = create("h2", { id: "places-title", textContent: words.text("places.of", { board: title }) }, seasonText);
  const keys = create("p", { className: "hidden", id: "places-keys", textContent: keysOf(isUser) });
  const label = create("label", { htmlFor: parts.rank.id, textContent: words.text("places.goTo") });
  const choice = create("div", { className: "switch", role: "group", hidden: !isUser });
  choice.append(parts.everybody, parts.friendly);
  choice.ariaLabel = words.text("places.whose");
  const whole = create("div", { className: "place-whole" });
  const goes = quiet(words.text("places.go"), { type: "submit" });
  parts.form = create("form", { className: "place-go", method: "post" }, label, parts.rank, goes, parts.jump);
  whole.append(parts.form, parts.grid, parts.where, parts.spoken, keys);
  parts.grid.setAttribute("aria-labelledby", heading.id);
  parts.grid.setAttribute("aria-describedby", keys.id);
  const turned = create("div", { className: "place-turn" }, parts.notice, parts.turn);
  const head = create("div", { className: "place-head" }, heading, parts.close);
  const dialog = create("dialog", { className: "profile places" });
  dialog.append(head, turned, choice, parts.answer, whole, parts.friends);
  dialog.setAttribute("aria-labelledby", heading.id);
  return { ...parts, whole, dialog };
}
