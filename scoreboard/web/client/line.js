/** What keeps a client current: of all tabs one leads, and has a feed; it tells the others what it knows. */

import { isInBrowser, leaderboardAddress } from "./environment.js";
import { Feed } from "./feed.js";
import { takeRoom } from "./stream-room.js";
import { Tabs } from "./tabs.js";
import { watchForWakes } from "./wake-watch.js";

export class Line {
  #state = Object.freeze({ status: "idle", reason: "", leads: false });
  #confirmedAt = 0;
  #aheadMs = 0; // of our clock is the server's
  #name;
  #server;
  #owner;
  #feed;
  #tabs;
  #endWatch;

  /** Tabs with clients of one `name()` share a feed, which is asked for at the start. With `isShared` there is no
   *  stream where tabs do not hear each other, because each has one of a board already. `owner` has onState(state), news(), which returns what to tell other tabs, onNews(news) and isEmpty(). */
  constructor(name, options, server, source, owner, isShared = false) {
    this.#name = name;
    this.#server = server;
    this.#owner = owner;
    this.#feed = new Feed(options, server, source, {
      takeRoom: () => {
        if (!isInBrowser()) return () => {};
        const { share } = this.#tabs;
        const room = `scoreboard-streams:${new URL(leaderboardAddress(options.url)).host}`;
        return isShared && options.shareTabs && !share ? null : takeRoom(room, options.streamsMax, share);
      },
      onConfirmed: (status) => this.#confirm(status),
      onStatus: (status, reason) => this.#settle(status, reason),
    });
    this.#tabs = new Tabs(options, {
      onLead: () => {
        this.#settle("connecting", "", true);
        this.#feed.start();
      },
      onFollow: () => this.#endLead(this.#state),
      onHidden: () => this.#endLead({ status: "connecting", reason: "" }),
      onNews: (news) => this.#hear(news),
      onAsked: (wanted) => this.#answer(wanted),
      onNobody: () => owner.isEmpty() && this.#feed.pollOnce(),
    });
  }

  get state() {
    return this.#state;
  }

  get ageSeconds() {
    return this.#confirmedAt ? Math.max(0, Date.now() - this.#confirmedAt) / 1000 : null;
  }

  get serverTimeMs() {
    return Date.now() + this.#aheadMs;
  }

  /** Raises TypeError where the option `url` leads nowhere. */
  start() {
    if (this.#state.status !== "idle") return;
    const name = this.#name();
    this.#settle("connecting", "");
    this.#endWatch = watchForWakes((slept) => this.wake(slept));
    this.#tabs.start(name);
  }

  stop() {
    this.#endWatch?.();
    this.#tabs.stop();
    this.#feed.stop();
    this.#settle("idle", "");
  }

  /** Ask now. After a sleep the connection may be dead unnoticed. */
  wake(slept) {
    if (this.#state.status === "idle") return;
    if (this.#tabs.leads) this.#feed.wake(slept);
    else this.#tabs.ask("refresh");
  }

  /** Tell the other tabs, if this one leads; `more` is told once, and is in no later news. */
  tell(more = {}) {
    if (!this.#tabs?.leads || this.#state.status === "idle") return;
    const { status, reason } = this.#state;
    const known = { status, reason, confirmedAt: this.#confirmedAt, aheadMs: this.#aheadMs };
    const news = { ...this.#owner.news(), ...known, ...more };
    this.#tabs.tell(news, status === "live" ? this.#feed.silenceMs : undefined);
  }

  #endLead({ status, reason }) {
    this.#feed.stop();
    this.#settle(status, reason, false);
  }

  /** Answer another tab, always: a tab that hears nothing takes our place. */
  #answer(wanted) {
    if (wanted === "refresh") this.#feed.wake(false);
    this.tell();
  }

  #hear(news) {
    this.#owner.onNews(news);
    this.#confirmedAt = Math.max(this.#confirmedAt, news.confirmedAt);
    this.#aheadMs = news.aheadMs ?? this.#aheadMs; // a tab of an earlier release tells none
    this.#settle(news.status, news.reason);
  }

  #confirm(status) {
    this.#confirmedAt = Date.now();
    this.#aheadMs = this.#server.clock.aheadMs ?? this.#aheadMs;
    this.#settle(status, "");
    this.tell();
  }

  #settle(status, reason, leads = this.#state.leads) {
    const before = this.#state;
    if (status === before.status && reason === before.reason && leads === before.leads) return;
    this.#state = Object.freeze({ status, reason, leads });
    this.#owner.onState(this.#state);
    this.tell();
  }
}
