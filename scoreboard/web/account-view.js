/** The card beside the board: who is logged in here, what they reached, and what they can do. */

import { $ } from "./elements.js";
import { Entrance } from "./entrance.js";
import { complain, say, settle } from "./messages.js";
import { Standing } from "./standing.js";
import { withWords, words } from "./words.js";

const FORMS = "forms"; // the cause of what is said while they cannot be loaded

export class AccountView {
  #session;
  #standing = new Standing();
  #entrance;
  #catalogue = null; // a promise of the actions, once somebody is logged in
  #credentials = null; // their forms, once somebody has opened them

  constructor(session) {
    this.#session = session;
    this.#entrance = new Entrance(session);
    $("leave").addEventListener("click", () => this.#session.logOut());
    $("account").addEventListener("toggle", () => $("account").open && this.#openAccount());
    $("leave-everywhere").addEventListener("click", () => this.#leaveEverywhere());
    $("profile").addEventListener("click", () => this.#showProfile());
    $("providers").addEventListener("click", () => keepPlace());
    session.addEventListener("change", () => this.#draw(true));
    this.#draw(false);
    this.#comeBack();
  }

  /** Take what the board shows, of so many places. */
  see(boardId, entries, size) {
    this.#standing.see(boardId, entries, size);
  }

  /** Take the user's place on the board that is shown; null while nobody knows it. `direction` is the board's. */
  place(place, direction) {
    this.#standing.take(place, direction);
  }

  /** What was granted elsewhere. Of what was submitted here the answer has said it. */
  granted(granted) {
    this.#whenThere((catalogue) => catalogue.granted(granted));
  }

  #draw(changed) {
    const { user } = this.#session;
    const hadFocus = $("you").contains(document.activeElement);
    $("stranger").hidden = Boolean(user);
    $("player").hidden = $("game").hidden = $("account").hidden = !user;
    $("account").open = false;
    this.#credentials?.end();
    this.#credentials = null;
    $("you").hidden = false;
    $("you").setAttribute("aria-labelledby", user ? "me" : "you-title");
    $("to-you").textContent = words.text(user ? "actions.title" : "playAlong");
    if (changed) say(user ? words.text("welcome", user) : words.text("loggedOut"));
    if (changed && hadFocus) $("you").focus({ preventScroll: true });
    this.#whenThere((catalogue) => catalogue.reset());
    this.#standing.begin(user?.userId ?? null);
    if (!user) {
      this.#entrance.mode = changed ? "login" : "register";
      return;
    }
    $("me").textContent = user.username;
    this.#catalogue ??= this.#loadCatalogue();
    this.#whenThere((catalogue) => this.#session.user && catalogue.load());
  }

  #whenThere(act) {
    this.#catalogue?.then(act, () => {});
  }

  /** The actions come to who is logged in. If they cannot be loaded, the next log-in tries again. */
  #loadCatalogue() {
    const load = async () => {
      const { Catalogue } = await withWords(import("./catalogue.js"));
      const onScore = (score) => this.#standing.granted(score);
      return new Catalogue(this.#session, onScore, (refusal) => this.#complain(refusal));
    };
    const loaded = load();
    loaded.catch((error) => {
      this.#catalogue = null;
      this.#complain(error);
    });
    return loaded;
  }

  /** The forms for password and e-mail are loaded by who opens them. */
  async #openAccount() {
    const { user } = this.#session;
    try {
      const { Credentials } = await withWords(import("./credentials.js"));
      if (user && user.userId === this.#session.user?.userId) this.#credentials ??= new Credentials(this.#session);
      settle(FORMS);
      await this.#credentials?.open();
    } catch {
      say(words.text("unloadable"), "bad", FORMS);
    }
  }

  async #leaveEverywhere() {
    $("leave-everywhere").disabled = true;
    await this.#session.logOutEverywhere().catch((refusal) => this.#complain(refusal));
    $("leave-everywhere").disabled = false;
  }

  /** The code for this comes only to those who come back from an identity provider. */
  async #comeBack() {
    if (!location.hash.startsWith("#login=")) return;
    try {
      const { comeBack } = await withWords(import("./log-in.js"));
      say(...(await comeBack(this.#session)));
    } catch (refusal) {
      complain(refusal);
    }
  }

  async #showProfile() {
    try {
      const { showProfile } = await withWords(import("./profile.js"));
      await showProfile(this.#session, { onDeleted: () => say(words.text("deleted"), "good"), keepPlace });
    } catch (refusal) {
      this.#complain(refusal);
    }
  }

  /** Say what was refused, unless the log-in ended with it, which was said already. */
  #complain(refusal) {
    if (this.#session.user) complain(refusal);
  }
}

/** A log-in at an identity provider leads away from here; it is to lead back to the same board. */
function keepPlace() {
  try {
    sessionStorage.setItem("scoreboard.place", location.search);
  } catch {
    // Denied: it leads to the first board.
  }
}
