/** Where the user stands on the board that is shown, live; and the way to all places. What only some need (who
 *  is logged in, who opens the list) is loaded when they do. */

import { $, setText } from "./elements.js";
import { PersonalClient } from "./scoreboard-client.js";
import { withWords, words } from "./words.js";

export class PlacesView {
  #session;
  #account;
  #about = null;
  #userId = null; // whose places are followed
  #client = null;
  #following = null; // aborted when another user's places, or another board's, are followed
  #mine = null; // a promise of the section, once somebody is logged in
  #dialog = null; // while it is open
  #friends = null;

  /** `account` has place(place, direction) and granted(granted). */
  constructor(session, account) {
    [this.#session, this.#account] = [session, account];
    $("everybody").addEventListener("click", () => this.#open());
    session.addEventListener("change", () => {
      this.#friends = null;
      this.#dialog?.close();
      this.#follow();
    });
  }

  /** `about` is what is shown: `{boardId, title, direction, season, live, rows}`; `season` is the number of one
   *  that is past, or null, `live` that of the live one, and `rows` how many places are in sight. */
  see(about) {
    const before = this.#about;
    if (before && Object.keys(about).every((key) => about[key] === before[key])) return;
    this.#about = about;
    $("everybody").hidden = false;
    if (about.boardId !== before?.boardId) {
      this.#dialog?.close();
      this.#follow();
    } else this.#whenThere((mine) => mine.see(about));
    this.#dialog?.see(about);
  }

  #whenThere(act) {
    this.#mine?.then(act, () => {});
  }

  #follow() {
    this.#following?.abort();
    this.#client?.stop();
    this.#client = null;
    this.#userId = this.#session.user?.userId ?? null;
    this.#account.place(null, this.#about?.direction);
    if (!this.#userId || !this.#about) {
      this.#whenThere((mine) => mine.hide());
      return;
    }
    const { boardId } = this.#about;
    this.#following = new AbortController();
    const { signal } = this.#following;
    const whose = { boards: [boardId], userId: this.#userId, getToken: this.#token };
    this.#client = new PersonalClient({ url: "api/leaderboard", ...whose });
    const on = (type, act) => this.#client.addEventListener(type, ({ detail }) => act(detail), { signal });
    this.#mine ??= this.#load();
    const tell = (what) => (detail) => this.#whenThere((mine) => signal.aborted || mine[what](detail));
    on("place", (place) => this.#account.place(place, this.#about.direction));
    on("place", tell("take"));
    on("overtaken", tell("tellOvertaken"));
    on("state", tell("showState"));
    on("granted", (granted) => this.#account.granted(granted));
    const begin = (mine) => signal.aborted || mine.begin(this.#about, this.#userId, this.#friendsOf());
    this.#mine.then(begin).catch(() => {}); // the card beside the board says the rank all the same
    this.#client.start();
  }

  /** A section that cannot be loaded (the line is cut) is tried again at the next log-in or board. */
  #load() {
    const load = async () => {
      const { MyPlace, styled } = await withWords(import("./my-place.js"));
      await styled;
      return new MyPlace($("place"), this.#token, (rank) => this.#open(rank));
    };
    const loaded = load();
    loaded.catch(() => (this.#mine = null));
    return loaded;
  }

  async #open(rank = 1) {
    if (this.#dialog || !this.#about) return;
    try {
      const [{ PlacesDialog }, friends] = await Promise.all([withWords(import("./places-dialog.js")), this.#friendsOf()]);
      if (this.#dialog) return;
      const userId = this.#session.user?.userId ?? null;
      this.#dialog = new PlacesDialog(this.#about, { token: this.#token, userId, friends });
      this.#dialog.addEventListener("close", () => this.#onClosed());
      this.#dialog.show(rank);
      setText($("everybody"), words.text("places"));
    } catch {
      setText($("everybody"), words.text("places.unloadable"));
    }
  }

  /** What opened it has the focus again, unless that has gone meanwhile. */
  #onClosed() {
    this.#dialog = null;
    if (document.activeElement === document.body) $("everybody").focus({ preventScroll: true });
  }

  /** Whom the user follows, for lists of places; null for who is not logged in. */
  #friendsOf() {
    if (!this.#session.user) return null;
    this.#friends ??= import("./friends.js").then(({ Friends }) => new Friends(this.#token));
    return this.#friends;
  }

  #token = (rejected) => this.#session.token(rejected).catch(() => null);
}
