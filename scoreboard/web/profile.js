/** The dialog of one's own account: since when it is, all that is kept of it, and its end. */

import { $, create } from "./elements.js";
import { makeVisible, mark } from "./forms.js";
import { inWords } from "./messages.js";
import { words } from "./words.js";

/** Show the dialog. Raises Refused. `keepPlace` is called before a log-in leads away. */
export async function showProfile(session, { onDeleted, keepPlace }) {
  const { data } = await session.call("api/me");
  new Profile(session, data, onDeleted, keepPlace).show();
}

class Profile {
  #session;
  #onDeleted;
  #keepPlace;
  #parts;
  #dialog;

  constructor(session, user, onDeleted, keepPlace) {
    [this.#session, this.#onDeleted, this.#keepPlace] = [session, onDeleted, keepPlace];
    this.#parts = partsOf(user);
    const { title, since, download, remove, form, cancel, close, answer } = this.#parts;
    this.#dialog = create("dialog", { className: "profile" }, title, since, answer, download, remove, form, close);
    this.#dialog.setAttribute("aria-labelledby", title.id);
    this.#dialog.addEventListener("close", () => this.#dialog.remove());
    download.addEventListener("click", () => this.#busy(download, () => this.#download()));
    remove.addEventListener("click", () => this.#ask(true));
    cancel.addEventListener("click", () => this.#ask(false));
    close.addEventListener("click", () => this.#dialog.close());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#busy(this.#parts.erase, () => this.#delete());
    });
    session.addEventListener("change", () => this.#dialog.close());
  }

  show() {
    document.body.append(this.#dialog);
    this.#dialog.showModal();
  }

  #ask(asks) {
    const { remove, form, again, erase, answer } = this.#parts;
    [remove.hidden, form.hidden, again.hidden, erase.hidden] = [asks, !asks, true, false];
    answer.textContent = "";
    (asks ? form.querySelector("p") : remove).focus();
  }

  async #download() {
    const { data } = await this.#session.call("api/me/export");
    const file = new Blob([JSON.stringify(data, null, 2)], { type: "application/json" });
    const link = create("a", { href: URL.createObjectURL(file), download: "scoreboard-my-data.json" });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    this.#say(words.text("profile.downloaded"), "good");
  }

  async #delete() {
    const { field, password } = this.#parts;
    await this.#session.call("api/me", field.hidden ? {} : { password: password.value }, "DELETE");
    await this.#session.logOut(); // closes the dialog
    this.#onDeleted();
  }

  /** Do it with its button disabled, and say what is refused. */
  async #busy(button, work) {
    button.disabled = true;
    this.#say("", "");
    mark(this.#parts.password);
    try {
      await work();
    } catch (refusal) {
      this.#refuse(refusal);
    } finally {
      button.disabled = false;
    }
  }

  /** The server knows who has a password, and who has to log in again. */
  #refuse(refusal) {
    const { field, password } = this.#parts;
    const isFirst = field.hidden && Boolean(refusal.errors?.password);
    const isWrong = refusal.code === "bad_credentials" || Boolean(refusal.errors?.password);
    if (refusal.code === "not_fresh") return this.#logInAgain();
    if (!isWrong) return this.#say(inWords(refusal), "bad");
    field.hidden = false;
    password.disabled = false;
    mark(password, isFirst ? undefined : words.text("wrong.currentPassword"));
    password.focus();
  }

  #logInAgain() {
    const { again, erase } = this.#parts;
    const links = [...$("providers").querySelectorAll("a")].map((link) => {
      const copy = link.cloneNode(true);
      copy.href = `${link.getAttribute("href")}?again`;
      copy.addEventListener("click", this.#keepPlace);
      return copy;
    });
    const text = words.text(links.length ? "profile.logInAgain" : "profile.logOutFirst");
    again.replaceChildren(create("p", { textContent: text, tabIndex: -1 }), ...links);
    [again.hidden, erase.hidden] = [false, true];
    again.firstChild.focus();
  }

  #say(text, kind) {
    this.#parts.answer.textContent = text;
    this.#parts.answer.className = `answer ${kind}`;
  }
}

/** All elements of the dialog. A user's name is text, and never HTML. */
function partsOf({ username, createdAt }) {
  const date = words.dates({ dateStyle: "long" }).format(Date.parse(createdAt));
  const error = create("p", { className: "error", id: "confirm-error" });
  const password = create("input", {
    id: "confirm",
    type: "password",
    autocomplete: "current-password",
    required: true,
    disabled: true,
    maxLength: 200,
  });
  password.setAttribute("aria-describedby", error.id);
  const label = create("label", { htmlFor: password.id, textContent: words.text("profile.password") });
  const field = create("div", { hidden: true }, label, password, error);
  makeVisible(password);
  password.addEventListener("input", () => mark(password));
  const again = create("div", { hidden: true });
  const erase = create("button", { className: "primary", textContent: words.text("profile.erase") });
  const cancel = quiet(words.text("profile.keep"));
  const form = create(
    "form",
    { hidden: true, method: "post" },
    create("p", { textContent: words.text("profile.warning"), tabIndex: -1 }),
    field,
    again,
    erase,
    cancel,
  );
  return {
    title: create("h2", { id: "profile-title" }, create("bdi", { textContent: username })),
    since: create("p", { className: "hint", textContent: words.text("profile.since", { date }) }),
    answer: create("p", { className: "answer", role: "status" }),
    download: quiet(words.text("profile.download")),
    remove: quiet(words.text("profile.remove")),
    close: quiet(words.text("close")),
    ...{ form, field, password, error, again, erase, cancel },
  };
}

const quiet = (text) => create("button", { className: "quiet wide", type: "button", textContent: text });
