/** The card beside the board: register, log in, submit an action, score and rank, change the password. */

import { ordinal, points, pointsInWords, rankInWords } from "./board-view.js";
import { Catalogue } from "./catalogue.js";
import { $ } from "./elements.js";
import { MAIN } from "./scoreboard-client.js";

// The members of each form's body, and the fields that hold them.
const ENTER = { username: "username", email: "email", password: "password", invitation: "invitation" };
const CHANGE = { currentPassword: "current", newPassword: "new" };
const INVITATION_WANTED = ["invitation_required", "invitation_not_valid"]; // codes of refusals
const INVITATION_LINK = /^#invitation=([A-Za-z2-7]{26})$/;
const MODES = {
  register: { title: "Play along", name: "User name", button: "Register", secret: "new-password" },
  login: {
    title: "Welcome back",
    name: "User name or e-mail",
    button: "Log in",
    secret: "current-password",
  },
};

export class AccountView {
  #session;
  #boardId = null;
  #entries = [];
  #size = 0;
  #mode = "register";
  #needsInvitation = false; // nobody knows before a link has one, or the server asks for one
  #catalogue = new Catalogue((action, button) => this.#submit(action, button), complain);
  #place = null; // of this user on this board; null while it is not known
  #hasChange = !$("change").hidden; // no: nobody has a password here

  constructor(session) {
    this.#session = session;
    $("enter").addEventListener("submit", (event) => this.#enter(event));
    $("leave").addEventListener("click", () => this.#session.logOut());
    $("change").addEventListener("submit", (event) => this.#changePassword(event));
    $("account").addEventListener("toggle", () => this.#hidePassword());
    $("leave-everywhere").addEventListener("click", () => this.#leaveEverywhere());
    for (const button of document.querySelectorAll("[data-mode]")) {
      button.addEventListener("click", () => this.#switch(button.dataset.mode));
    }
    $("log-in-instead").addEventListener("click", () => {
      this.#switch("login");
      $("password").focus();
    });
    session.addEventListener("change", () => this.#draw(true));
    this.#draw(false);
    $("profile").addEventListener("click", () => this.#showProfile());
    $("providers").addEventListener("click", () => keepPlace());
    addEventListener("hashchange", () => this.#takeInvitation());
    this.#takeInvitation();
    this.#comeBack();
  }

  /** Take what the board shows, of so many places. */
  see(boardId, entries, size) {
    if (boardId === this.#boardId && entries === this.#entries && size === this.#size) return;
    [this.#boardId, this.#entries, this.#size] = [boardId, entries, size];
    this.#showStanding();
  }

  /** Take the user's place on the board that is shown, wherever it is; null while nobody knows it. */
  place(place) {
    this.#place = place;
    this.#showStanding();
  }

  /** What was granted elsewhere. Of what was submitted here the answer has said it. */
  granted({ grants, count, points: sum }) {
    const others = grants.filter(({ actionId }) => !this.#catalogue.isDone(actionId));
    for (const { actionId } of others) this.#catalogue.done(actionId);
    if (others.length === 0) return;
    const isAll = others.length === grants.length && count > 1;
    const [{ actionId, points: one }] = others;
    if (isAll) say(`+${pointsInWords(sum)} for ${points(count)} actions.`, "good");
    else say(`+${pointsInWords(one)} for ${actionId}.`, "good");
  }

  #draw(changed) {
    const { user } = this.#session;
    const hadFocus = $("you").contains(document.activeElement);
    $("stranger").hidden = Boolean(user);
    $("player").hidden = $("game").hidden = $("account").hidden = !user;
    $("account").open = false;
    $("change").hidden = !this.#hasChange;
    $("change").reset();
    showErrors({}, CHANGE);
    $("you").hidden = false;
    $("you").setAttribute("aria-labelledby", user ? "me" : "you-title");
    if (changed) say(user ? `Welcome, ${user.username}.` : "You are logged out.", "");
    if (changed && hadFocus) $("you").focus({ preventScroll: true });
    this.#catalogue.reset();
    if (!user) {
      this.#setMode(changed ? "login" : "register");
      return;
    }
    $("me").textContent = $("whose").value = user.username;
    $("my-score").textContent = $("my-rank").textContent = "–";
    this.#catalogue.load().catch(complain);
    this.#showStanding();
  }

  /** Switch by a click: the answer to what was tried in the other mode goes away. */
  #switch(mode) {
    this.#setMode(mode);
    say("", "");
  }

  #setMode(mode) {
    this.#mode = mode;
    const { title, name, button, secret } = MODES[mode];
    const registers = mode === "register";
    for (const each of document.querySelectorAll("[data-mode]")) {
      each.ariaPressed = String(each.dataset.mode === mode);
    }
    $("you-title").textContent = title;
    $("username-label").textContent = name;
    $("enter-button").textContent = button;
    $("password").autocomplete = secret;
    $("password").minLength = registers ? 8 : 0;
    $("email-field").hidden = $("username-hint").hidden = $("password-hint").hidden = !registers;
    $("email").disabled = !registers;
    const asks = registers && this.#needsInvitation;
    $("invitation-field").hidden = $("invitation").disabled = !asks;
    showErrors({}, ENTER);
  }

  /** A link may bring the code: `#invitation=…`, which no server and no log gets to see. */
  #takeInvitation() {
    const code = INVITATION_LINK.exec(location.hash)?.[1];
    if (!code) return;
    history.replaceState(history.state, "", `${location.pathname}${location.search}`); // others may look on
    this.#needsInvitation = true;
    $("invitation").value = code;
    if (!this.#session.user) this.#switch("register");
  }

  #askForInvitation({ code, message }) {
    this.#needsInvitation = true;
    this.#setMode("register");
    say("", "");
    const isMissing = code === INVITATION_WANTED[0]; // its message is for programs
    showErrors({ invitation: isMissing ? "You need an invitation to register here." : message }, ENTER);
  }

  #enter(event) {
    const fields = Object.fromEntries(new FormData(event.target));
    fields.username = fields.username.trim(); // keyboards of phones put a space after a word
    return sendForm(event, ENTER, () => this.#session.enter(this.#mode, fields), (refusal) => {
      if (INVITATION_WANTED.includes(refusal.code)) return this.#askForInvitation(refusal);
      if (refusal.code !== "name_refused") complain(refusal); // which is said at the field
      $("log-in-instead").hidden = refusal.code !== "account_taken";
    });
  }

  /** Who comes from an identity provider has no password to change. */
  async #hidePassword() {
    if (!$("account").open || $("change").hidden) return;
    const { data } = await this.#session.call("api/me").catch(() => ({})); // then it stays
    if (data?.hasPassword === false && data.userId === this.#session.user?.userId) $("change").hidden = true;
  }

  #changePassword(event) {
    const { currentPassword, newPassword } = Object.fromEntries(new FormData(event.target));
    const change = async () => {
      await this.#session.changePassword({ currentPassword, newPassword });
      $("account").open = false;
      say("The password is changed. You are logged out everywhere else.", "good");
    };
    return sendForm(event, CHANGE, change, (refusal) => {
      if (refusal.code === "bad_credentials") showErrors({ currentPassword: refusal.message }, CHANGE);
      else this.#complain(refusal);
    });
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
      const { comeBack } = await import("./log-in.js");
      say(...(await comeBack(this.#session)));
    } catch (refusal) {
      complain(refusal);
    }
  }

  async #showProfile() {
    try {
      const { showProfile } = await import("./profile.js");
      await showProfile(this.#session, { onDeleted: () => say("Your account is deleted.", "good"), keepPlace });
    } catch (refusal) {
      this.#complain(refusal);
    }
  }

  async #submit({ actionId }, button) {
    button.disabled = true;
    try {
      const { data } = await this.#session.call("api/actions", { actionId });
      this.#catalogue.done(actionId);
      if (this.#boardId === MAIN) $("my-score").textContent = points(data.score);
      say(`+${pointsInWords(data.points)} for ${actionId}.`, "good");
    } catch (refusal) {
      button.disabled = false;
      if (refusal.code === "already_granted") {
        this.#catalogue.done(actionId);
        const when = new Date(refusal.grant.grantedAt).toLocaleDateString("en", { dateStyle: "medium" });
        say(`${actionId} counted already, on ${when}. Each action counts once.`, "");
      } else this.#complain(refusal);
    }
  }

  /** Say what was refused, unless the log-in ended with it, which was said already. */
  #complain(refusal) {
    if (this.#session.user) complain(refusal);
  }

  /** The board is never behind the user's place, which comes at most once a second. */
  #showStanding() {
    if (!this.#session.user) return;
    const index = this.#entries.findIndex(({ userId }) => userId === this.#session.user.userId);
    if (index >= 0) return this.#write(this.#entries[index].score, ordinal(index + 1));
    const { score = null, ...place } = this.#place ?? {};
    const isNone = score === null && this.#place && this.#boardId === MAIN;
    this.#write(isNone ? 0 : score, rankInWords(place));
  }

  #write(score, rank) {
    $("my-score").textContent = score === null ? "–" : points(score);
    $("my-rank").textContent = rank;
  }
}

/** Send a form with its button disabled. What is refused is shown at its fields, and `onRefused` told. */
async function sendForm(event, fields, send, onRefused) {
  event.preventDefault();
  const button = event.target.querySelector(".primary");
  button.disabled = true;
  showErrors({}, fields);
  say("", "");
  try {
    await send();
    event.target.reset();
  } catch (refusal) {
    showErrors(refusal.errors, fields);
    onRefused(refusal);
  } finally {
    button.disabled = false;
  }
}

/** Show each member's errors at the field that holds it, and go to the first such field. */
function showErrors(errors = {}, fields) {
  const wrong = Object.entries(fields).filter(([member, field]) => {
    $(`${field}-error`).textContent = [errors[member] ?? []].flat().join(" ");
    $(field).ariaInvalid = errors[member] ? "true" : "false";
    return errors[member];
  });
  if (wrong.length) $(wrong[0][1]).focus();
}

/** A log-in at an identity provider leads away from here; it is to lead back to the same board. */
function keepPlace() {
  try {
    sessionStorage.setItem("scoreboard.place", location.search);
  } catch {
    // Denied: it leads to the first board.
  }
}

function complain(refusal) {
  const wait = refusal.retryAfterSeconds ? ` (${refusal.retryAfterSeconds} s)` : "";
  say(refusal.code === "invalid_payload" ? "" : `${refusal.message}${wait}`, "bad");
}

function say(text, kind) {
  $("answer").textContent = text;
  $("answer").className = `answer ${kind}`;
  $("log-in-instead").hidden = true;
}
