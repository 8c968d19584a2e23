/** The form of who is not logged in: register or log in, with an invitation where one is wanted. */

import { $ } from "./elements.js";
import { Form } from "./forms.js";
import { complain, inWords, say } from "./messages.js";
import { words } from "./words.js";

// The members of the body, and the fields that hold them.
const FIELDS = { username: "username", email: "email", password: "password", invitation: "invitation" };
// What is marked as a whole, because nobody is told which part of it is wrong.
const REFUSED_TOGETHER = { account_taken: ["username", "email"], bad_credentials: ["password", "username"] };
const INVITATION_WANTED = ["invitation_required", "invitation_not_valid"]; // codes of refusals
const INVITATION_LINK = /^#invitation=([A-Za-z2-7]{26})$/;
const NO_PART_OF_NAMES = /[^\p{L}\p{M}\p{Nd}\u200c\u200d_.-]/u; // the server knows more
const MODES = {
  register: { title: "playAlong", name: "username", button: "register", secret: "new-password" },
  login: { title: "welcomeBack", name: "usernameOrEmail", button: "logIn", secret: "current-password" },
};

export class Entrance {
  #session;
  #form;
  #mode = "register";
  #needsInvitation = false; // nobody knows before a link has one, or the server asks for one

  constructor(session) {
    this.#session = session;
    this.#form = new Form($("enter"), FIELDS, {
      send: (members) => this.#send(members),
      onRefused: (refusal) => this.#onRefused(refusal),
      checks: { username: (name) => (this.#mode === "register" ? problemOf(name) : undefined) },
    });
    for (const button of document.querySelectorAll("[data-mode]")) {
      button.addEventListener("click", () => this.#switch(button.dataset.mode));
    }
    $("log-in-instead").addEventListener("click", () => {
      this.#switch("login");
      $("password").focus();
    });
    addEventListener("hashchange", () => this.#takeInvitation());
    this.#takeInvitation();
  }

  /** Show the form for that: `register` or `login`. */
  set mode(mode) {
    this.#mode = mode;
    const { title, name, button, secret } = MODES[mode];
    const registers = mode === "register";
    for (const each of document.querySelectorAll("[data-mode]")) {
      each.ariaPressed = String(each.dataset.mode === mode);
    }
    $("you-title").textContent = words.text(title);
    $("username-label").textContent = words.text(name);
    $("enter-button").textContent = words.text(button);
    $("password").autocomplete = secret;
    $("password").minLength = registers ? 8 : 0;
    $("email-field").hidden = $("username-hint").hidden = $("password-hint").hidden = !registers;
    $("email").disabled = !registers;
    const asks = registers && this.#needsInvitation;
    $("invitation-field").hidden = $("invitation").disabled = !asks;
    this.#form.show({});
  }

  /** Switch by a click: the answer to what was tried in the other mode goes away. */
  #switch(mode) {
    this.mode = mode;
    say("");
  }

  #send(members) {
    const username = members.username.trim(); // keyboards of phones put a space after a word
    return this.#session.enter(this.#mode, { ...members, username });
  }

  #onRefused(refusal) {
    const { code } = refusal;
    if (INVITATION_WANTED.includes(code)) return this.#askForInvitation(refusal);
    const together = REFUSED_TOGETHER[code];
    if (together) this.#form.show(Object.fromEntries(together.map((member) => [member, ""])));
    if (code === "name_refused") return; // it is said at the field
    complain(refusal, this.#form);
    $("log-in-instead").hidden = code !== "account_taken";
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

  #askForInvitation(refusal) {
    this.#needsInvitation = true;
    this.#switch("register");
    this.#form.show({ invitation: inWords(refusal) });
  }
}

/** What is wrong with a name so far, in words; undefined if nothing is. */
function problemOf(name) {
  const typed = name.trim().normalize("NFKC");
  if (typed.startsWith("-")) return words.text("name.first");
  const [sign] = NO_PART_OF_NAMES.exec(typed) ?? [];
  if (!sign) return undefined;
  return /\s/u.test(sign) ? words.text("name.space") : words.text("name.sign", { sign });
}
