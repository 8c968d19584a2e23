/** The list of actions that somebody can complete, loaded page by page. */

import { points } from "./board-view.js";
import { $, create } from "./elements.js";

export class Catalogue {
  #onChosen;
  #onRefused;
  #next = "";
  #done = new Set();
  #buttons = new Map();

  /** `onChosen(action, button)`: somebody wants to complete it. `onRefused(refusal)`: it cannot be read. */
  constructor(onChosen, onRefused) {
    [this.#onChosen, this.#onRefused] = [onChosen, onRefused];
    $("filter").addEventListener("input", () => this.#filter());
    $("more").addEventListener("click", () => this.load().catch(this.#onRefused));
  }

  reset() {
    this.#next = "";
    this.#done.clear();
    this.#buttons.clear();
    $("actions").replaceChildren();
    $("filter").value = "";
  }

  async load() {
    const after = encodeURIComponent(this.#next);
    const response = await fetch(`api/actions?limit=200&after=${after}`).catch(() => null);
    if (!response?.ok) throw new Error("The actions cannot be read just now. Try again shortly.");
    const { data, next } = await response.json();
    for (const action of data) this.#add(action);
    this.#next = next ?? "";
    $("more").hidden = !next;
    this.#filter();
  }

  isDone(actionId) {
    return this.#done.has(actionId);
  }

  done(actionId) {
    this.#done.add(actionId);
    const button = this.#buttons.get(actionId);
    if (!button) return;
    const hadFocus = button === document.activeElement || document.activeElement === document.body;
    button.disabled = true;
    button.lastChild.textContent = "✓ done";
    if (hadFocus) $("actions").focus({ preventScroll: true });
  }

  #add(action) {
    if (this.#buttons.has(action.actionId)) return;
    const button = create("button", { className: "action", type: "button" }, action.actionId, " ");
    if (action.claim === "server") {
      button.disabled = true;
      button.append(create("small", { textContent: "granted by the game" }), " ");
    }
    button.append(create("b", { textContent: `+${points(action.points)}` }));
    button.addEventListener("click", () => this.#onChosen(action, button));
    this.#buttons.set(action.actionId, button);
    $("actions").append(create("li", {}, button));
    if (this.#done.has(action.actionId)) this.done(action.actionId);
  }

  #filter() {
    const wanted = $("filter").value.trim().toLowerCase();
    for (const [actionId, button] of this.#buttons) {
      button.parentElement.hidden = !actionId.toLowerCase().includes(wanted);
    }
  }
}
