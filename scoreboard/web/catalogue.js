/** The actions that somebody can complete, and which of them they have: both page by page, in step; loaded by who is
 *  logged in. What is left comes first, with the most points first of all. Nothing moves while somebody looks: a new
 *  order comes with what is loaded or sought. */

import { $, create } from "./elements.js";
import { say } from "./messages.js";
import { words } from "./words.js";

const PAGE_SIZE = 1_000; // as many as the server gives at once: the order is one of what is loaded
const DAY = { day: "numeric", month: "short", year: "numeric" };

export class Catalogue {
  #session;
  #onScore;
  #onRefused;
  #turn = 0; // counts beginnings: what was asked for before is not wanted any more
  #actionsAfter = ""; // behind which action id the next page begins; null at the end
  #grantsAfter = "";
  #done = new Map(); // when, by action id
  #actions = new Map(); // by id: {points, claim, button}

  /** `onScore(score)`: a grant has led to it. `onRefused(refusal)`: something cannot be read, or completed. */
  constructor(session, onScore, onRefused) {
    [this.#session, this.#onScore, this.#onRefused] = [session, onScore, onRefused];
    $("filter").addEventListener("input", () => this.#arrange());
    $("more").addEventListener("click", () => this.load());
  }

  reset() {
    this.#turn += 1;
    this.#actionsAfter = this.#grantsAfter = "";
    this.#done.clear();
    this.#actions.clear();
    $("actions").replaceChildren();
    $("progress").textContent = $("filter").value = "";
    $("more").hidden = true;
  }

  /** Load another page. */
  async load() {
    const turn = this.#turn;
    try {
      const [page] = await Promise.all([this.#readActions(), this.#loadGrants()]);
      // Grants of actions that are switched off are no part of the catalogue, and may fill a page.
      while (turn === this.#turn && this.#isBehind(page.next) && (await this.#loadGrants()));
      if (turn !== this.#turn) return;
      for (const action of page.data) this.#add(action);
      this.#actionsAfter = page.next;
      const hadFocus = $("more") === document.activeElement;
      $("more").hidden = !page.next;
      if (hadFocus) $("actions").focus({ preventScroll: true });
      this.#arrange();
    } catch (refusal) {
      if (turn === this.#turn) this.#onRefused(refusal);
    }
  }

  /** Take what was granted elsewhere. Of what was submitted here the answer has said it. */
  granted({ grants, count, points: sum }) {
    const others = grants.filter(({ actionId }) => !this.#done.has(actionId));
    for (const { actionId } of others) this.#setDone(actionId);
    if (others.length === 0) return;
    const isAll = others.length === grants.length && count > 1;
    const [{ actionId, points }] = others;
    if (isAll) say(words.text("granted.several", { points: pointsInWords(sum), count }), "good");
    else sayGranted(points, actionId);
  }

  async #submit(actionId, button) {
    button.disabled = true;
    try {
      const { data } = await this.#session.call("api/actions", { actionId });
      this.#setDone(actionId);
      this.#onScore(data.score);
      sayGranted(data.points, actionId);
    } catch (refusal) {
      button.disabled = false;
      if (refusal.code === "already_granted") {
        const { grantedAt } = refusal.grant;
        this.#setDone(actionId, grantedAt);
        say(words.text("granted.before", { action: actionId, date: dayOf(grantedAt) }));
      } else this.#onRefused(refusal);
    }
  }

  /** Mark it as done, where it stands. `grantedAt` says when, if not just now. */
  #setDone(actionId, grantedAt = null) {
    this.#done.set(actionId, grantedAt);
    const { button } = this.#actions.get(actionId) ?? {};
    if (!button) return;
    const hadFocus = button === document.activeElement || document.activeElement === document.body;
    this.#mark(actionId, button);
    this.#showProgress();
    if (hadFocus) $("actions").focus({ preventScroll: true });
  }

  async #readActions() {
    const query = `limit=${PAGE_SIZE}&after=${encodeURIComponent(this.#actionsAfter)}`;
    const response = await fetch(`api/actions?${query}`).catch(() => null);
    if (!response?.ok) throw new Error(words.text("actions.unreadable"));
    return response.json();
  }

  /** Returns whether there was a page. Without what was granted actions are offered all the same. */
  async #loadGrants() {
    const turn = this.#turn;
    if (this.#grantsAfter === null) return false;
    const query = `limit=${PAGE_SIZE}&after=${encodeURIComponent(this.#grantsAfter)}`;
    const page = await this.#session.call(`api/me/grants?${query}`).catch(() => null);
    if (!page || turn !== this.#turn) return false;
    for (const { actionId, grantedAt } of page.data) this.#done.set(actionId, grantedAt);
    this.#grantsAfter = page.next;
    return true;
  }

  #isBehind(actionsAfter) {
    return this.#grantsAfter !== null && (actionsAfter === null || this.#grantsAfter < actionsAfter);
  }

  #add({ actionId, points, claim }) {
    if (this.#actions.has(actionId)) return;
    const button = create("button", { className: "action", type: "button" }, create("bdi", { textContent: actionId }));
    if (claim === "server") {
      button.disabled = true;
      button.append(" ", create("small", { textContent: words.text("actions.byServer") }));
    }
    button.append(" ", create("b", { dir: "ltr", textContent: `+${words.number(points)}` }));
    button.addEventListener("click", () => this.#submit(actionId, button));
    this.#actions.set(actionId, { points, claim, button, line: create("li", {}, button) });
    if (this.#done.has(actionId)) this.#mark(actionId, button);
  }

  #mark(actionId, button) {
    const grantedAt = this.#done.get(actionId);
    button.disabled = true;
    button.querySelector("small")?.remove();
    button.lastChild.dir = "";
    button.lastChild.textContent = words.text("actions.done");
    if (grantedAt) button.lastChild.before(create("small", { textContent: dayOf(grantedAt) }), " ");
  }

  /** Put what is sought in order. */
  #arrange() {
    const wanted = $("filter").value.trim().toLowerCase();
    const sought = [...this.#actions].filter(([actionId]) => actionId.toLowerCase().includes(wanted));
    const kind = ([actionId, { claim }]) => (this.#done.has(actionId) ? 2 : Number(claim === "server"));
    const inOrder = sought.sort((one, other) => kind(one) - kind(other) || other[1].points - one[1].points);
    $("actions").replaceChildren(...inOrder.map(([, { line }]) => line));
    this.#showProgress();
  }

  #showProgress() {
    const count = this.#actions.size;
    const done = [...this.#actions.keys()].filter((actionId) => this.#done.has(actionId)).length;
    const isWhole = this.#actionsAfter === null && done > 0;
    $("progress").textContent = isWhole ? words.text("actions.progress", { done, count }) : "";
  }
}

const pointsInWords = (count) => words.text("points", { count });

function sayGranted(points, action) {
  say(words.text("granted", { points: pointsInWords(points), action }), "good");
}

const dayOf = (time) => words.dates(DAY).format(Date.parse(time));
