/**
 * `<live-scoreboard>`: a board, live, on any page. It reads and never writes, and needs neither storage nor locks nor
 * exceptions from a Content-Security-Policy.
 *
 * Types: live-scoreboard.d.ts. Manual: docs/element.md. Instances serve it and its client as one file.
 */

import { FINAL_SIZE, MAIN, ScoreboardClient } from "../client/scoreboard-client.js";
import { BoardAttributes } from "./board-attributes.js";
import { BoardCard } from "./board-card.js";
import { languageOf, wordsOf } from "./languages.js";
import { Sight } from "./sight.js";
import { styleSheet } from "./styles.js";
import { titleOf } from "./titles.js";
import { Words } from "./words.js";

export { ScoreboardClient, Words, titleOf };

const TAG = "live-scoreboard";
const SIZE = 10; // of a board of which nothing is known yet, and of a screen in a hall
// An instance serves this module there; everywhere else it is somebody's own file.
const SERVED = /^(https?:\/\/.+\/)client\/(?:v\d+\/)?live-scoreboard\.js/;
const RESTARTS = ["board", "url"]; // attributes that lead to another client
const PROPERTIES = ["client", "getToken", "userId", "words", "definition"];

export class LiveScoreboard extends BoardAttributes {
  static observedAttributes = [...RESTARTS, "size", "season", "lang", "heading", "level", "lamp", "seasons", "fill"];
  #card = null;
  #sight = null; // while it is on a page, and has an address
  #given = null; // a client that somebody shares with us
  #getToken = null;
  #userId = null;
  #overrides = null;
  #definition; // undefined: nobody tells
  #words = null;
  #told = ""; // what `shown` was dispatched of
  #isDue = new Set(); // attributes and properties that have changed

  connectedCallback() {
    this.upgrade([...PROPERTIES, ...LiveScoreboard.observedAttributes, "theme"]);
    if (this.#sight) return; // it was only moved
    if (!this.#card) {
      const root = this.attachShadow({ mode: "open" });
      root.adoptedStyleSheets = [styleSheet()];
      this.#card = new BoardCard(root, (number) => this.#choose(number));
    }
    // In the same turn its page may have more to say of it.
    for (const name of ["lang", "url"]) this.#changeSoon(name);
  }

  /** A move of the element, out of the page and in again, interrupts nothing. */
  disconnectedCallback() {
    queueMicrotask(() => this.isConnected || this.#stop());
  }

  attributeChangedCallback(name, before, after) {
    if (before !== after) this.#changeSoon(name);
  }

  /** The client that the board comes from: its own, or the one that was given. Null while it is on no page. */
  get client() {
    return this.#given ?? this.#sight?.client ?? null;
  }

  /** Show what that client follows. Whoever gives it starts and stops it. */
  set client(client) {
    this.#given = client ?? null;
    this.#changeSoon("url");
  }

  /** As the option of the client: answers an access token or null. */
  get getToken() {
    return this.#getToken;
  }

  set getToken(getToken) {
    this.#getToken = getToken ?? null;
    if (!this.#given) this.#changeSoon("url");
  }

  /** Whose row is marked. */
  get userId() {
    return this.#userId;
  }

  set userId(userId) {
    this.#userId = userId ?? null;
    this.#changeSoon("userId");
  }

  /** Texts that go before its own, by their keys. */
  get words() {
    return this.#overrides;
  }

  set words(words) {
    this.#overrides = words ?? null;
    this.#changeSoon("lang");
  }

  /** How the server describes the board. Who sets it, also to null, tells: then the element does not ask. */
  get definition() {
    return this.#sight?.definition ?? this.#definition ?? null;
  }

  set definition(definition) {
    this.#definition = definition;
    this.#sight?.tell(definition ?? null);
    this.#changeSoon("definition");
  }

  /** What the state of its connection is called. */
  get stateText() {
    return this.#card?.describe(this.client?.state ?? { status: "idle" }) ?? "";
  }

  /** What is in sight: `{boardId, season, live, size, rows}`; `season` is the number of a past one that somebody
   *  chose, or null; `live` that of the live one; `rows` how many places of the live board are in sight. */
  get shown() {
    const { client, boardId, final, isChosen } = this.#sight ?? { boardId: this.board };
    const size = this.#size();
    const rows = final ? 0 : Math.min(size, client?.board?.entries.length ?? 0);
    const season = isChosen ? final.season.number : null;
    return { boardId, season, live: client?.board?.season?.number ?? null, size, rows };
  }

  /** Ask now: after a log-in, or when the user wants to. */
  refresh() {
    this.#sight?.refresh();
  }

  /** Several changes in one turn are drawn once. */
  #changeSoon(name) {
    if (this.#isDue.size === 0) queueMicrotask(() => this.#change());
    this.#isDue.add(name);
  }

  #change() {
    const due = this.#isDue;
    this.#isDue = new Set();
    if (!this.#card || !this.isConnected) return;
    if (due.has("lang")) this.#speak();
    if (RESTARTS.some((name) => due.has(name))) {
      this.#stop();
      this.#start();
    } else if (due.has("season")) this.#sight?.lookAt(this.season);
    this.#draw();
  }

  #speak() {
    this.#words = wordsOf(languageOf(this), this.#overrides);
    this.#card.speak(this.#words);
  }

  #start() {
    const boardId = this.#given?.boardId ?? this.board;
    let client = this.#given;
    try {
      client ??= new ScoreboardClient({ url: this.#address(), board: boardId, getToken: this.#getToken });
    } catch (error) {
      console.error(`<${TAG}>: "${this.url}" is no address of a scoreboard.`, error);
      return this.#card.refuse(this.#size());
    }
    const { seasons } = this.#card;
    const [isOwn, definition] = [!this.#given, this.#definition];
    this.#sight = new Sight(client, { boardId, isOwn, definition, seasons, listener: this.#listener });
    this.#sight.lookAt(this.season);
    this.#sight.start();
    this.#draw();
  }

  #stop() {
    this.#sight?.end();
    this.#sight = null;
    this.#told = "";
    this.#card.stop();
  }

  #listener = {
    onEvent: (type, detail) => {
      if (type === "state") this.#card.showTime(this.#about());
      this.#emit(type, detail);
    },
    onChange: () => this.#draw(),
    onTime: () => this.#sight && this.#card.showTime(this.#about()),
  };

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  #draw() {
    if (!this.#sight) return;
    this.#card.mark(this.#userId);
    this.#card.show(this.#about());
    const told = JSON.stringify([this.shown, this.#sight.definition, this.heading]);
    if (told === this.#told) return;
    this.#told = told;
    this.#emit("shown", this.shown);
  }

  #about() {
    const { boardId, client, definition, final, heldSeconds } = this.#sight;
    const [size, userId] = [this.#size(), this.#userId];
    const options = { heading: this.heading, level: this.level, lamp: this.lamp, mayChoose: this.seasons };
    return { boardId, client, definition, final, heldSeconds, size, userId, ...options };
  }

  #size() {
    const { definition = this.#definition, final } = this.#sight ?? {};
    const size = Math.min(this.size ?? (this.fill ? SIZE : Infinity), definition?.size ?? this.size ?? SIZE);
    return final?.entries ? Math.min(size, FINAL_SIZE) : size;
  }

  #choose(number) {
    // The winners of a season that has just ended are in sight without any attribute.
    if (this.season === number) this.#sight?.lookAt(number);
    else this.season = number;
    this.#draw();
    this.#emit("season:chosen", { boardId: this.#sight?.boardId ?? this.board, number });
  }

  /** `url` names the service, or its api/leaderboard. Without one it is where this module comes from. */
  #address() {
    const { url } = this;
    const served = SERVED.exec(import.meta.url);
    if (!url) return new URL("api/leaderboard", served?.[1] ?? location.origin).href;
    const address = new URL(url, document.baseURI);
    if (/\/api\/leaderboard\/?$/.test(address.pathname)) return address.href;
    return new URL("api/leaderboard", `${address.origin}${address.pathname.replace(/\/?$/, "/")}`).href;
  }
}

if (globalThis.customElements && !customElements.get(TAG)) customElements.define(TAG, LiveScoreboard);
