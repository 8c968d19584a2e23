/** Forms that say at their fields what is wrong, and passwords that can be looked at. */

import { create } from "./elements.js";
import { inWords, say, settle } from "./messages.js";
import { hasWord, loadWords, words } from "./words.js";

const SERVER_LANGUAGE = "en"; // of what it says about members

export class Form {
  #form;
  #fields;
  #checks;

  /** `fields` names the field of each member of the body. `send(members)` may raise Refused, which is shown at the
   *  fields of the members that it names, and then told to `onRefused`. `checks` say of what is typed into a field
   *  what is wrong with it, or undefined; the server has the last word. */
  constructor(form, fields, { send, onRefused, checks = {} }) {
    [this.#form, this.#fields, this.#checks] = [form, fields, checks];
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit(send, onRefused);
    });
    form.addEventListener("input", ({ target }) => this.#look(target));
    for (const field of form.querySelectorAll("[type=password]")) makeVisible(field);
  }

  /** Mark the fields of these members with what is wrong with each, and go to the first one; unmark all others. */
  show(errors) {
    const wrong = Object.entries(this.#fields).filter(([member, field]) => {
      mark(this.#field(field), errors[member]);
      return errors[member] !== undefined;
    });
    if (wrong.length) this.#field(wrong[0][1]).focus();
  }

  /** Begin anew: nothing is in the fields, and nothing is wrong. */
  reset() {
    this.#form.reset();
    this.show({});
    this.#hide();
  }

  async #submit(send, onRefused) {
    const button = this.#form.querySelector(".primary");
    button.disabled = true;
    this.show({});
    say("");
    this.#hide(); // browsers keep what was sent as a password
    const said = loadWords().catch(() => {}); // what may be refused; without it the server's words have to do
    const used = Object.entries(this.#fields).filter(([, field]) => !this.#field(field).disabled);
    try {
      await send(Object.fromEntries(used.map(([member, field]) => [member, this.#field(field).value])));
      this.reset();
    } catch (refusal) {
      if (refusal.code !== "unreachable") await said;
      this.show(errorsOf(refusal));
      onRefused(refusal);
    } finally {
      button.disabled = false;
    }
  }

  /** Somebody changes a field: what was said of it before does not hold any more, nor what was said of the whole. */
  #look(target) {
    for (const [member, id] of Object.entries(this.#fields)) {
      const field = this.#field(id);
      const isOfWhole = field.ariaInvalid === "true" && !errorOf(field).textContent;
      if (field === target) mark(field, this.#checks[member]?.(field.value));
      else if (isOfWhole) mark(field);
    }
    settle(this);
  }

  /** Also of a form that has left the page with its user while its answer was on the way. */
  #field(id) {
    return within(this.#form, id);
  }

  #hide() {
    for (const button of this.#form.querySelectorAll(".reveal.on")) button.click();
  }
}

/** Mark a field with what is wrong with it, which may be an empty text; without one unmark it. */
export function mark(field, error) {
  errorOf(field).textContent = error ?? "";
  field.ariaInvalid = String(error !== undefined);
}

/** What is wrong with each member, in the language of the page if it has a word for it. */
function errorsOf(refusal) {
  const { code, errors = {} } = refusal;
  const text = (member, said) => {
    if (code !== "invalid_payload" && hasWord(`refused.${code}`)) return inWords(refusal);
    const key = `wrong.${member}`;
    return words.lang === SERVER_LANGUAGE || !hasWord(key) ? [said].flat().join(" ") : words.text(key);
  };
  return Object.fromEntries(Object.entries(errors).map(([member, said]) => [member, text(member, said)]));
}

/** Give a password a button that shows it. */
export function makeVisible(field) {
  const button = create("button", { type: "button" });
  const show = (on) => {
    field.type = on ? "text" : "password";
    button.className = on ? "reveal on" : "reveal";
    button.textContent = words.text(on ? "reveal.hide" : "reveal.show");
    button.ariaLabel = words.text(on ? "reveal.hidePassword" : "reveal.showPassword");
  };
  button.addEventListener("click", () => show(field.type === "password"));
  Object.assign(field, { spellcheck: false, autocapitalize: "none" });
  const both = create("div", { className: "secret" });
  field.replaceWith(both);
  both.append(field, button);
  show(false);
}

const within = (form, id) => form.querySelector(`#${id}`);
const errorOf = (field) => within(field.form, `${field.id}-error`);
