/**
 * Which tab of a browser talks to the server, and how the others hear of it.
 *
 * The tab that holds a Web Lock leads, and tells the others over a BroadcastChannel. When it falls
 * silent (a frozen tab keeps its lock), a tab that somebody looks at takes the lock from it. Locks and
 * channels may be missing (plain HTTP) or denied (blocked cookies, a sandboxed frame): then each tab
 * talks to the server itself while somebody looks at it, because browsers open six connections in all.
 * A worker is as a tab that somebody looks at, and so is Node, which has no locks before version 24.
 */

import { isHidden, watchSight } from "./environment.js";
import { Deadline } from "./timers.js";

const FIRST_NEWS_MS = 700; // a leader that is awake has answered a new tab by then
const NEWS_SLACK_MS = 10_000;

export class Tabs {
  /** Whether this tab talks to the server. */
  leads = false;
  #name;
  #options;
  #listener;
  #channel = null;
  #running = false;
  #lockRequest = null; // aborts the newest request for the lock
  #releaseLock = null;
  #takingLock = false; // from a leader that is silent
  #denied = false; // what was denied once is not asked for again
  #metLeader = false; // or there was time enough for its first news
  #silence;
  #sight; // ends the watch of whether somebody looks
  #pulseTimer;
  #hiddenTimer;

  /** `listener` has onLead, onFollow, onHidden, onNews(news), onAsked(wanted) and onNobody. */
  constructor(options, listener) {
    this.#options = options;
    this.#listener = listener;
  }

  /** Whether tabs hear each other, so that they can share what a browser has once. */
  get share() {
    return Boolean(this.#channel);
  }

  /** Tabs that know each other by `name` share. */
  start(name) {
    this.#name = name;
    this.#running = true;
    if (!this.#options.shareTabs) return this.#lead();
    this.#channel = this.#denied ? null : openChannel(this.#name);
    if (!this.#channel) return this.#goAlone();
    this.#channel.onmessage = ({ data }) => this.#receive(data);
    this.#silence = new Deadline(() => this.#onSilence());
    this.#metLeader = false;
    this.#requestLock();
    this.ask("news");
  }

  stop() {
    this.#running = false;
    this.#sight?.abort();
    clearTimeout(this.#hiddenTimer);
    this.#leaveOthers();
    this.#endLead();
    this.#releaseLock?.();
  }

  /** Tell the followers. They wait for the next news as long as the leader may be silent, and longer. */
  tell(news, silenceMs = 2000 * this.#options.pulseSeconds) {
    this.#post({ news: { ...news, limitMs: silenceMs + NEWS_SLACK_MS } });
  }

  /** Ask the leader. It may be frozen, and is not waited for as long as a silence may last. */
  ask(wanted) {
    this.#post({ wanted });
    const answerMs = this.#metLeader ? 1000 * this.#options.answerSeconds : FIRST_NEWS_MS;
    if (this.#channel) this.#silence.allow(answerMs);
  }

  #post(message) {
    try {
      this.#channel?.postMessage(message);
    } catch {
      this.#goAlone();
    }
  }

  #receive({ news, wanted }) {
    if (wanted && this.leads) this.#listener.onAsked(wanted);
    if (!news || this.leads) return;
    this.#metLeader = true;
    this.#takingLock = false;
    this.#silence.allow(news.limitMs);
    this.#listener.onNews(news);
  }

  /** Wait for the lock, hold it until `stop`, and request it again when another tab took it. */
  async #requestLock(steal = false) {
    this.#lockRequest?.abort();
    const request = (this.#lockRequest = new AbortController());
    const how = steal ? { steal } : { signal: request.signal };
    this.#takingLock = steal;
    let held = false;
    const hold = () => {
      if (this.#lockRequest !== request) return undefined;
      held = true;
      this.#takingLock = false;
      this.#lead();
      return new Promise((resolve) => (this.#releaseLock = resolve));
    };
    try {
      await navigator.locks.request(this.#name, how, hold);
    } catch {
      // The lock was taken from us or denied, or a newer request replaced this one.
    }
    if (this.#lockRequest !== request) return;
    if (!held) return this.#goAlone();
    this.#endLead();
    this.#silence.allow(2 * NEWS_SLACK_MS);
    this.#requestLock();
  }

  #lead() {
    this.leads = true;
    this.#silence?.stop();
    // While polling, bytes are rare: followers still have to know that this tab lives.
    this.#pulseTimer = setInterval(() => this.#listener.onAsked("news"), 1000 * this.#options.pulseSeconds);
    this.#listener.onLead();
  }

  #endLead() {
    clearInterval(this.#pulseTimer);
    if (!this.leads) return;
    this.leads = false;
    if (this.#running) this.#listener.onFollow();
  }

  #onSilence() {
    const metLeader = this.#metLeader;
    this.#metLeader = true;
    this.#silence.allow(1000 * this.#options.pulseSeconds);
    if (!metLeader) return this.#listener.onNobody();
    if (isHidden()) return;
    if (this.#takingLock) this.#goAlone(); // a lock that cannot even be taken is none
    else this.#requestLock(true);
  }

  #goAlone() {
    this.#denied = true;
    this.#leaveOthers();
    this.#sight?.abort();
    this.#sight = new AbortController();
    watchSight(() => this.#see(), this.#sight);
    if (!this.leads) this.#lead();
    this.#see();
  }

  #leaveOthers() {
    this.#silence?.stop();
    this.#lockRequest?.abort();
    this.#lockRequest = null;
    this.#channel?.close();
    this.#channel = null;
  }

  #see() {
    clearTimeout(this.#hiddenTimer);
    if (isHidden()) {
      this.#hiddenTimer = setTimeout(() => {
        clearInterval(this.#pulseTimer);
        this.leads = false;
        this.#listener.onHidden();
      }, 1000 * this.#options.hiddenSeconds);
    } else if (!this.leads) this.#lead();
  }
}

/** Returns null where locks or channels do not exist, or are denied to this page. */
function openChannel(name) {
  try {
    return navigator.locks && new BroadcastChannel(name);
  } catch {
    return null;
  }
}
