/** What can be said of an element in HTML, and the same as properties. */

import { MAIN } from "../client/scoreboard-client.js";

const SIZE_MAX = 100;
const NUMBER = /^[1-9]\d{0,9}$/;

const numberOf = (text) => (NUMBER.test(text ?? "") ? Number(text) : null);

// On a server, where pages are made ahead, the module can be imported as well.
export class BoardAttributes extends (globalThis.HTMLElement ?? class {}) {
  get board() {
    return this.getAttribute("board") || MAIN;
  }

  set board(board) {
    this.#set("board", board);
  }

  get url() {
    return this.getAttribute("url") ?? "";
  }

  set url(url) {
    this.#set("url", url);
  }

  /** How many rows there are at most; null for as many as the board has. */
  get size() {
    const size = numberOf(this.getAttribute("size"));
    return size && Math.min(size, SIZE_MAX);
  }

  set size(size) {
    this.#set("size", size);
  }

  /** The number of the past season that is shown; null for the live board. */
  get season() {
    return numberOf(this.getAttribute("season"));
  }

  set season(season) {
    this.#set("season", season);
  }

  get theme() {
    return this.getAttribute("theme") ?? "auto";
  }

  set theme(theme) {
    this.#set("theme", theme);
  }

  /** The title in the place of the board's own one; empty for none. */
  get heading() {
    return this.getAttribute("heading");
  }

  set heading(heading) {
    this.#set("heading", heading);
  }

  get level() {
    return numberOf(this.getAttribute("level")) ?? 2;
  }

  set level(level) {
    this.#set("level", level);
  }

  get lamp() {
    return this.hasAttribute("lamp");
  }

  set lamp(lamp) {
    this.toggleAttribute("lamp", Boolean(lamp));
  }

  get seasons() {
    return this.hasAttribute("seasons");
  }

  set seasons(seasons) {
    this.toggleAttribute("seasons", Boolean(seasons));
  }

  get fill() {
    return this.hasAttribute("fill");
  }

  set fill(fill) {
    this.toggleAttribute("fill", Boolean(fill));
  }

  #set(name, value) {
    if (value === null || value === undefined) this.removeAttribute(name);
    else this.setAttribute(name, value);
  }

  /** What was set before the element was defined lies in front of its accessors. */
  upgrade(names) {
    for (const name of names.filter((each) => Object.hasOwn(this, each))) {
      const value = this[name];
      delete this[name];
      this[name] = value;
    }
  }
}
