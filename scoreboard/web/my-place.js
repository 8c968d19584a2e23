/** One's own place below the board: its rank in words, who stands around, and who has just gone past. */

import { create, setText } from "./elements.js";
import { inWords } from "./messages.js";
import { PlaceLine, fitRanks, rankInFigures, styled } from "./place-line.js";
import { describe, describeNext, describeOvertaken } from "./place-words.js";
import { Places } from "./scoreboard-client.js";
import { rankInWords, words } from "./words.js";

export { styled };

const AROUND = 3;
// Between two questions for those around: while one's place changes all the time, and while it does not. A page that is
// open in a whole school asks no more than that, and not all at once.
const ASK_MS = 5_000;
const AROUND_MS = 60_000;
const NOTICE_MS = 30_000;

export class MyPlace {
  #section;
  #getToken;
  #parts;
  #about = null;
  #userId;
  #friends = null;
  #places;
  #place = null;
  #around = null; // the newest answer of who stands there
  #lines = [];
  #areFollowable = false; // whether the lines were made with stars
  #heard = 0; // places of the stream
  #asking = null; // the question that is under way
  #askTimer;
  #askedAt = 0;
  #noticeTimer;

  /** `onOpen(rank)`: somebody wants to see all places, from there. */
  constructor(section, getToken, onOpen) {
    [this.#section, this.#getToken] = [section, getToken];
    this.#parts = sectionOf(section);
    this.#parts.jump.addEventListener("click", () => onOpen(this.#place.rank));
    document.addEventListener("visibilitychange", () => document.hidden || this.#askSoon());
  }

  /** Begin with this user on that board. `friends` is a promise. */
  async begin(about, userId, friends) {
    [this.#userId, this.#friends, this.#about] = [userId, null, null];
    this.#notice("");
    setText(this.#parts.state, "");
    this.see(about);
    const read = await friends;
    if (userId !== this.#userId) return;
    this.#friends = read;
    read.addEventListener("change", this.#onFriends);
    await read.read().catch(() => {}); // the stars are empty until somebody asks again
    if (userId === this.#userId) this.#drawAround(this.#around);
  }

  #onFriends = () => this.#lines.forEach((line) => line.showStar());

  /** Show it on another board or season. */
  see(about) {
    const isOther = !(this.#about?.boardId === about.boardId && this.#about.season === about.season);
    const hasTurned = Boolean(this.#about?.live) && this.#about.live !== about.live;
    this.#about = about;
    if (!isOther && !hasTurned) return this.#drawAround(this.#around);
    this.#notice(""); // who went past did so elsewhere
    const { boardId: board, season } = about;
    this.#places = new Places({ url: "api/leaderboard", board, season, getToken: this.#getToken });
    this.#place = this.#asking = null;
    this.#around = null;
    this.#draw();
    this.#section.hidden = false;
    this.#ask();
  }

  hide() {
    clearTimeout(this.#askTimer);
    this.#userId = this.#about = this.#asking = null;
    this.#section.hidden = true;
  }

  /** Take what the stream says, which is of the live season. */
  take(place) {
    if (!this.#about || this.#about.season !== null || place.boardId !== this.#about.boardId) return;
    this.#heard += 1;
    this.#place = place;
    this.#draw();
    this.#askSoon();
  }

  tellOvertaken(overtaken) {
    const { text, rank } = describeOvertaken(overtaken);
    this.#notice(text, rank);
  }

  showState({ status, reason }) {
    const isAway = status === "offline";
    setText(this.#parts.state, isAway ? words.text(reason === "forbidden" ? "place.denied" : "place.away") : "");
  }

  #askSoon() {
    clearTimeout(this.#askTimer);
    this.#askTimer = setTimeout(() => this.#ask(), Math.max(0, this.#askedAt + ASK_MS - Date.now()));
  }

  /** Ask who stands around. What the stream says meanwhile about one's own place is newer. */
  async #ask() {
    clearTimeout(this.#askTimer);
    if (!this.#about || document.hidden) return;
    if (this.#asking) return this.#askSoon();
    this.#askedAt = Date.now();
    const [asking, heard] = [{}, this.#heard];
    this.#asking = asking;
    try {
      const answer = await this.#places.me({ around: AROUND });
      if (asking !== this.#asking) return;
      // Nor does an answer tell of a score that is shown to nobody.
      const isTold = this.#place && answer.place.score === null;
      if (heard === this.#heard && !isTold) this.#place = answer.place;
      this.#draw();
      this.#drawAround(answer);
    } catch (refused) {
      if (asking !== this.#asking) return;
      if (!this.#place) setText(this.#parts.detail, refused.status ? inWords(refused) : words.text("place.away"));
    }
    this.#asking = null;
    clearTimeout(this.#askTimer);
    if (heard !== this.#heard) return this.#askSoon(); // others stand around by now
    if (this.#about.season !== null) return;
    this.#askTimer = setTimeout(() => this.#ask(), AROUND_MS * (0.8 + 0.4 * Math.random()));
  }

  #draw() {
    const { title, jump, rank, of, detail, next } = this.#parts;
    const place = this.#place;
    const { season, direction } = this.#about;
    setText(title, season === null ? words.text("place") : words.text("place.inSeason", { number: season }));
    setText(rank, place ? rankInWords(place) : "");
    setText(of, place?.rank && place.total ? words.text("place.of", { total: place.total }) : "");
    setText(detail, place ? describe(place, season !== null) : words.text("place.loading"));
    setText(next, place?.next && season === null ? describeNext(place.next, direction) : "");
    jump.hidden = !place?.rank;
    this.#section.classList.toggle("placeless", !place || rankInWords(place) === "–");
  }

  /** Those around, unless the board above shows all of them. */
  #drawAround(answer) {
    this.#around = answer;
    const entries = answer?.entries ?? [];
    const isShown = entries.every(({ rank }) => rank && rank <= (this.#about?.rows ?? 0));
    const { list } = this.#parts;
    list.hidden = isShown;
    const at = this.#lines.find(({ element }) => element.contains(document.activeElement));
    this.#lines = isShown ? [] : this.#linesOf(answer);
    const elements = this.#lines.map(({ element }) => element);
    const isSame = (each, index) => each === list.children[index];
    if (elements.length === list.children.length && elements.every(isSame)) return; // nobody loses the focus
    list.replaceChildren(...elements);
    if (at) (at.element.isConnected ? at.element.querySelector("button") : list).focus({ preventScroll: true });
  }

  #linesOf({ entries, place: { rankAbove } }) {
    const isKept = this.#areFollowable === Boolean(this.#friends);
    const before = new Map(isKept ? this.#lines.map((line) => [line.place.userId, line]) : []);
    this.#areFollowable = Boolean(this.#friends);
    fitRanks(this.#parts.list, rankInFigures({ ...entries.at(-1), rankAbove }));
    const onRefused = (refused) => this.#notice(inWords(refused));
    return entries.map((place) => {
      const line = before.get(place.userId) ?? new PlaceLine("li", { friends: this.#friends, onRefused });
      line.show(place, { userId: this.#userId, rankAbove });
      return line;
    });
  }

  /** Say it for a while. `spoken` is for those who hear it: it is soon not true any more. */
  #notice(text, spoken = "") {
    clearTimeout(this.#noticeTimer);
    const { notice } = this.#parts;
    setText(notice, text);
    if (spoken) notice.append(create("span", { className: "hidden", textContent: ` ${spoken}` }));
    if (text) this.#noticeTimer = setTimeout(() => setText(notice, ""), NOTICE_MS);
  }
}

function sectionOf(section) {
  const title = create("h2", { id: "place-title", textContent: words.text("place") });
  const jump = create("button", { className: "quiet", type: "button", textContent: words.text("place.amongAll") });
  const [rank, of] = [create("b"), create("span")];
  const parts = {
    ...{ title, jump, rank, of },
    detail: create("p", { className: "place-detail" }),
    next: create("p", { className: "place-next" }),
    state: create("p", { className: "hint", role: "status" }),
    notice: create("p", { className: "place-notice", role: "status" }),
    list: create("ol", { className: "place-lines", role: "list", tabIndex: -1, hidden: true }),
  };
  parts.list.ariaLabel = words.text("place.around");
  section.replaceChildren(
    create("div", { className: "place-head" }, title, jump),
    parts.notice,
    create("p", { className: "place-rank-words" }, rank, " ", of),
    ...[parts.detail, parts.next, parts.list, parts.state],
  );
  return parts;
}
