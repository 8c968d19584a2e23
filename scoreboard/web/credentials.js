/** The forms in which somebody changes the password and the e-mail address; loaded by who wants to. */

import { $, create } from "./elements.js";
import { Form } from "./forms.js";
import { complain, inWords, say } from "./messages.js";
import { words } from "./words.js";

// The members of each body, and the fields that hold them.
const PASSWORD = { currentPassword: "current", newPassword: "new" };
const EMAIL = { email: "new-email", password: "email-password" };

export class Credentials {
  #session;
  #userId;
  #password;
  #email;

  constructor(session) {
    this.#session = session;
    const { userId, username } = session.user;
    this.#userId = userId;
    $("credentials").replaceChildren(passwordForm(username), emailForm(username));
    this.#password = new Form($("change"), PASSWORD, {
      send: (members) => this.#changePassword(members),
      onRefused: (refusal) => this.#refuse(refusal, this.#password, "currentPassword"),
    });
    this.#email = new Form($("change-email"), EMAIL, {
      send: (members) => this.#changeEmail(members),
      onRefused: (refusal) => this.#refuse(refusal, this.#email, "password"),
    });
  }

  /** Show the forms to who has a password, which only the server knows: others come from an identity provider. */
  async open() {
    const own = !$("own").hidden; // else nobody has one here
    if (!own) return;
    const { data } = await this.#session.call("api/me").catch(() => ({}));
    if (data && data.userId !== this.#userId) return;
    $("credentials").hidden = data?.hasPassword === false;
    this.#showEmail(data?.email ?? null);
  }

  end() {
    $("credentials").hidden = true;
    $("credentials").replaceChildren();
  }

  async #changePassword(members) {
    await this.#session.changePassword(members);
    this.#close(words.text("password.changed"));
  }

  async #changeEmail(members) {
    const { data } = await this.#session.call("api/auth/email", members);
    this.#showEmail(data.email);
    this.#close(words.text("email.changed"));
  }

  #close(text) {
    const hadFocus = $("account").contains(document.activeElement) || document.activeElement === document.body;
    $("account").open = false;
    if (hadFocus) $("account").querySelector("summary").focus({ preventScroll: true }); // the form goes out of sight
    say(text, "good");
  }

  #showEmail(email) {
    $("email-now").textContent = email === null ? "" : words.text("email.now", { email });
  }

  /** `member` is the password that somebody has to show again. */
  #refuse(refusal, form, member) {
    if (!this.#session.user) return; // the log-in ended with it, which was said already
    if (refusal.code === "bad_credentials") form.show({ [member]: words.text("wrong.currentPassword") });
    else if (refusal.code === "account_taken") form.show({ email: inWords({ ...refusal, code: "email_taken" }) });
    else complain(refusal, form);
  }
}

function passwordForm(username) {
  return form("change", username, ["password.change", "password.save"], [
    ["current", "password.current", { ...SECRET, autocomplete: "current-password" }],
    ["new", "password.new", { ...SECRET, autocomplete: "new-password", minLength: 8 }, "password.newHint"],
  ]);
}

function emailForm(username) {
  const made = form("change-email", username, ["email.change", "email.save"], [
    ["new-email", "email.new", { type: "email", autocomplete: "email", maxLength: 255 }],
    ["email-password", "profile.password", { ...SECRET, autocomplete: "current-password" }],
  ]);
  made.querySelector("legend").after(create("p", { className: "hint", id: "email-now" }));
  return made;
}

const SECRET = { type: "password", maxLength: 200 };

/** A form with a title and a button, and for each field `[id, key of its label, properties, key of its hint]`. The name
 *  is in it for browsers that keep passwords. */
function form(id, username, [title, button], fields) {
  const whose = create("input", { name: "username", autocomplete: "username", value: username, hidden: true });
  const set = create("fieldset", {}, create("legend", { textContent: words.text(title) }), whose);
  for (const [field, label, properties, hint] of fields) set.append(...fieldsOf(field, label, properties, hint));
  set.append(create("button", { className: "primary", textContent: words.text(button) }));
  return create("form", { id, method: "post" }, set);
}

function fieldsOf(id, label, properties, hint) {
  const input = create("input", { id, name: id, required: true, ...properties });
  const parts = [create("label", { htmlFor: id, textContent: words.text(label) }), input];
  if (hint) parts.push(create("p", { className: "hint", id: `${id}-hint`, textContent: words.text(hint) }));
  parts.push(create("p", { className: "error", id: `${id}-error` }));
  input.setAttribute("aria-describedby", `${hint ? `${id}-hint ` : ""}${id}-error`);
  return parts;
}
