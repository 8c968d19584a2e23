/** The places of those whom the user follows, and the user's own among them. */

import { create, setText } from "./elements.js";
import { inWords } from "./messages.js";
import { fitRanks, rankInFigures } from "./place-line.js";
import { Places } from "./scoreboard-client.js";
import { words } from "./words.js";

const USERS = 100; // of one question

export class FriendsList {
  #list = create("ol", { className: "place-lines", role: "list" });
  #status = create("p", { className: "hint", role: "status" });
  #makeLine;
  #lines = [];
  #shown = null;

  constructor(parent, makeLine) {
    this.#makeLine = makeLine;
    this.#list.ariaLabel = words.text("friends");
    parent.replaceChildren(this.#status, this.#list);
  }

  /** Read the places anew, and show them. */
  async show({ boardId, season, userId, getToken, friends }) {
    const asking = (this.#shown = {});
    setText(this.#status, words.text("loading"));
    try {
      await friends.read();
      const users = friends.users;
      const places = new Places({ url: "api/leaderboard", board: boardId, season, getToken });
      const found = await readAll(places, [userId, ...users.map((user) => user.userId)]);
      if (asking !== this.#shown) return;
      this.#draw(found, users, userId);
    } catch (refused) {
      if (asking === this.#shown) setText(this.#status, inWords(refused));
    }
  }

  showStars() {
    for (const line of this.#lines) line.showStar();
  }

  #draw({ entries, rankAbove }, users, userId) {
    const placed = new Set(entries.map((entry) => entry.userId));
    const others = users.filter((user) => !placed.has(user.userId));
    const without = others.map((user) => ({ ...user, rank: null, score: null }));
    this.#lines = [...entries, ...without].map((place) => {
      const line = this.#makeLine();
      line.show(place, { userId, rankAbove: place.score === null ? null : rankAbove });
      return line;
    });
    fitRanks(this.#list, rankInFigures({ rankAbove, ...entries.at(-1) }));
    this.#list.replaceChildren(...this.#lines.map(({ element }) => element));
    const some = without.length ? words.text("friends.unplaced") : "";
    setText(this.#status, users.length ? some : words.text("friends.none"));
  }
}

/** Ask for a hundred at a time. Between two questions places may change: the last word on a user counts. */
async function readAll(places, userIds) {
  const entries = [];
  let rankAbove = null;
  for (let start = 0; start < userIds.length; start += USERS) {
    const page = await places.entries({ users: userIds.slice(start, start + USERS), limit: USERS });
    entries.push(...page.entries);
    rankAbove = page.rankAbove;
  }
  const rankOf = ({ rank }) => rank ?? Infinity;
  // Without a rank they come in the order of the ranking, which a stable sort keeps.
  return { entries: entries.sort((one, other) => rankOf(one) - rankOf(other) || 0), rankAbove };
}
