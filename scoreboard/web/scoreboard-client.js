/**
 * Scoreboard's client: the top 10 as it is now, whatever the line does.
 *
 * It follows the stream; while that does not work it polls, and goes back when it does again. Of all
 * tabs of a browser one talks to the server, because HTTP/1.1 gives a host six connections in all.
 * A board carries a version, and whoever holds one ignores an older one, by whatever way it came.
 *
 * One file, no dependencies. Types: scoreboard-client.d.ts. Manual: docs/client.md.
 */

export const VERSION = "1.0.1";

const DEFAULTS = {
  url: "/api/leaderboard",
  getToken: null,
  shareTabs: true,
  pollSeconds: 3,
  silenceSeconds: 37.5, // 2.5 heartbeats of 15 s, the server's default
  openSeconds: 8,
  requestSeconds: 10,
  retrySeconds: 2, // until the server sends `retry:`
  retryMaxSeconds: 60,
};

const SILENCE_FLOOR_MS = 2_000;
const SILENCE_CEILING_MS = 300_000;
const LONGEST_MS = 86_400_000; // a timer takes no more than 24.8 days
const LINE_MAX_CHARS = 1_000_000;
const PULSE_MS = 5_000;
const GREETING_MS = 700;
const ANSWER_MS = 2_000;
const UNSEEN_MS = 3_000;
const NEWS_SLACK_MS = 10_000;
const SLEEP_MS = 10_000;
const RANKS = 10;
// Further back than any cache or instance can be: the server numbered its board anew.
const RENUMBERED = 2 ** 32;

/** The board, live. Events: `board` and `state`, whose `detail` is `board` and `state` below. */
export class ScoreboardClient extends EventTarget {
  #options;
  #board = null;
  #state = Object.freeze({ status: "idle", reason: "", leads: false });
  #confirmedAt = 0;
  #line;
  #tabs;
  #watch;

  constructor(options = {}) {
    super();
    this.#options = { ...DEFAULTS, ...options };
    this.#options.url = new URL(this.#options.url, location.href).href.replace(/\/$/, "");
    this.#line = new Line(this.#options, {
      board: () => this.#board,
      onBoard: (board) => this.#take(board),
      onAlive: (status, reason) => this.#confirm(Date.now(), status, reason),
      onStatus: (status, reason) => this.#settle(status, reason),
    });
    this.#tabs = new Tabs(`scoreboard:${this.#options.url}`, this.#options.shareTabs, {
      onLead: () => this.#lead(),
      onFollow: () => this.#follow(),
      onRest: () => this.#rest(),
      onNews: (news) => this.#hear(news),
      onAsked: (wanted) => this.#answer(wanted),
      onNobody: () => this.#board ?? this.#line.pollOnce(),
    });
    this.#watch = new WakeWatch((slept) => this.#wake(slept));
  }

  /** The newest board, or null before the first: `{version, entries, timestamp}`. */
  get board() {
    return this.#board;
  }

  /** `{status, reason, leads}`; status is idle, connecting, live, polling or offline. */
  get state() {
    return this.#state;
  }

  /** Seconds since the board was last known to be the newest; null if it never was. */
  get ageSeconds() {
    return this.#confirmedAt ? Math.max(0, Date.now() - this.#confirmedAt) / 1000 : null;
  }

  /** Follow the board until `stop`. */
  start() {
    if (this.#state.status !== "idle") return this;
    this.#settle("connecting", "");
    this.#watch.start();
    this.#tabs.start();
    return this;
  }

  /** Close every connection and timer; `start` begins again. */
  stop() {
    this.#watch.stop();
    this.#tabs.stop();
    this.#line.stop();
    this.#settle("idle", "");
  }

  /** Ask now: after a log-in, or when the user wants to. What Retry-After forbids still waits. */
  refresh() {
    this.#wake(false);
  }

  #lead() {
    this.#settle("connecting", "", true);
    this.#line.start();
  }

  #follow() {
    this.#line.stop();
    this.#settle(this.#state.status, this.#state.reason, false);
  }

  #rest() {
    this.#line.stop();
    this.#settle("connecting", "", false);
  }

  #wake(slept) {
    if (this.#state.status === "idle") return;
    if (this.#tabs.leads) this.#line.wake(slept);
    else this.#tabs.ask("refresh");
  }

  /** Always with a word, for who hears none takes our place. */
  #answer(wanted) {
    if (wanted === "refresh") this.#line.wake(false);
    this.#tell();
  }

  #hear({ board, status, reason, confirmedAt }) {
    if (board) this.#take(board);
    this.#confirmedAt = Math.max(this.#confirmedAt, confirmedAt);
    this.#settle(status, reason);
  }

  /** The contract: a board that is not newer changes nothing. */
  #take(board) {
    if (this.#board && !isNewer(board.version, this.#board.version)) return;
    this.#board = board;
    this.#emit("board", board);
    this.#tell();
  }

  #confirm(at, status, reason) {
    this.#confirmedAt = at;
    this.#settle(status, reason);
    this.#tell();
  }

  #settle(status, reason, leads = this.#state.leads) {
    const { status: before, reason: why, leads: led } = this.#state;
    if (status === before && reason === why && leads === led) return;
    this.#state = Object.freeze({ status, reason, leads });
    this.#emit("state", this.#state);
    this.#tell();
  }

  #tell() {
    if (!this.#tabs?.leads || this.#state.status === "idle") return;
    const { status, reason } = this.#state;
    // Silence is normal for as long as the stream's own; while polling we pulse.
    const limitMs = (status === "live" ? this.#line.silenceMs : 2 * PULSE_MS) + NEWS_SLACK_MS;
    this.#tabs.tell({ board: this.#board, status, reason, confirmedAt: this.#confirmedAt, limitMs });
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** What one tab does on the network: a stream, and polls while there is none. */
class Line {
  silenceMs;
  #options;
  #on;
  #stopped = null;
  #live = false;
  #streamTried = false;
  #pollWorked = null;
  #reason = "";
  #retryMs;
  #lastByteAt = 0;
  #stream = null;
  #rejected = null;
  #token = null;
  #streamNap = new Nap();
  #pollNap = new Nap();

  constructor(options, on) {
    this.#options = options;
    this.#on = on;
    this.silenceMs = options.silenceSeconds * 1000;
    this.#retryMs = options.retrySeconds * 1000;
  }

  start() {
    this.stop();
    this.#stopped = new AbortController();
    this.#streamTried = false;
    this.#pollWorked = null;
    const { signal } = this.#stopped;
    if (canStream()) this.#keepStreaming(signal);
    else this.#streamTried = true;
    this.#keepPolling(signal);
  }

  stop() {
    this.#stopped?.abort();
    this.#stopped = null;
    this.#live = false;
    this.#streamNap.wake(true);
    this.#pollNap.wake(true);
  }

  /** The user is back: ask at once. After a sleep the stream's connection may be dead unnoticed. */
  wake(slept) {
    if (!this.#stopped) return;
    if (slept || Date.now() - this.#lastByteAt > this.silenceMs) this.#stream?.abort();
    this.#streamNap.wake();
    this.#pollNap.wake();
    if (this.#live) this.pollOnce(this.#stopped.signal);
  }

  async #keepStreaming(signal) {
    let failures = 0;
    while (!signal.aborted) {
      const openedAt = Date.now();
      const end = await this.#streamOnce(signal);
      if (signal.aborted) return;
      const wasLive = this.#live;
      this.#live = false;
      this.#streamTried = true;
      this.#pollWorked = wasLive ? null : this.#pollWorked;
      this.#settle();
      this.#pollNap.wake();
      // One that opens only to end again is a failure, too.
      failures = wasLive && Date.now() - openedAt > this.#retryMs ? 0 : failures + 1;
      if (!end.again || failures > 1) await this.#streamNap.sleep(...this.#delay(failures, end));
    }
  }

  /** Follow one stream to its end. Returns why, as `#delay` needs it; never throws. */
  async #streamOnce(signal) {
    const attempt = (this.#stream = new AbortController());
    const watchdog = new Watchdog(() => attempt.abort());
    const abort = () => attempt.abort();
    signal.addEventListener("abort", abort);
    const end = {};
    let reader;
    try {
      // This deadline holds until the first event: a proxy that buffers sends headers and no more.
      watchdog.expect(this.#options.openSeconds * 1000);
      const response = await this.#get("/stream", "text/event-stream", {}, attempt.signal);
      Object.assign(end, this.#judge(response));
      if (!response.ok || !isEventStream(response)) return end;
      reader = response.body.getReader();
      await this.#read(reader, watchdog, end);
    } catch {
      // Cut, refused or mute. While it was live, a longer silence may be this server's habit.
      if (this.#live && watchdog.barked) {
        this.silenceMs = Math.min(this.silenceMs * 2, SILENCE_CEILING_MS);
      }
    } finally {
      watchdog.stop();
      signal.removeEventListener("abort", abort);
      reader?.cancel().catch(() => {});
      attempt.abort();
    }
    return end;
  }

  async #read(reader, watchdog, end) {
    const decoder = new TextDecoder();
    const parser = new EventParser();
    const heartbeats = new Heartbeats();
    while (!end.closing) {
      const { done, value } = await reader.read();
      if (done) return;
      this.#lastByteAt = Date.now();
      for (const found of parser.push(decoder.decode(value, { stream: true }))) {
        if (found.comment) this.silenceMs = heartbeats.limit() ?? this.silenceMs;
        else if (found.retry !== undefined) this.#retryMs = Math.min(found.retry, LONGEST_MS);
        else this.#handle(found, end);
      }
      if (!this.#live) continue;
      watchdog.expect(this.silenceMs);
      this.#on.onAlive("live", "");
    }
  }

  #handle({ name, data, id }, end) {
    if (name === "closing") {
      end.closing = true;
      end.again = ["expired_token", "revoked_token"].includes(parse(data)?.code);
      if (end.again) this.#rejected = this.#token;
      return;
    }
    if (name === "connected") this.#live = true;
    if (name !== "score:update") return;
    const document = parse(data);
    const board = makeBoard(id, document?.topUsers, document?.timestamp);
    if (!board) return;
    this.#live = true;
    this.#on.onBoard(board);
  }

  async #keepPolling(signal) {
    let failures = 0;
    while (!signal.aborted) {
      if (this.#live) {
        failures = 0;
        await this.#pollNap.sleep(LONGEST_MS);
        continue;
      }
      const { ok, retryAfterMs } = await this.pollOnce(signal);
      failures = ok ? 0 : failures + 1;
      if (signal.aborted || this.#live) continue;
      const pollMs = this.#options.pollSeconds * 1000 * (0.8 + 0.4 * Math.random());
      await this.#pollNap.sleep(...(ok ? [pollMs] : this.#delay(failures, { retryAfterMs })));
    }
  }

  /** Ask once for a board newer than ours. Never throws. */
  async pollOnce(signal) {
    const deadline = new AbortController();
    const watchdog = new Watchdog(() => deadline.abort());
    const abort = () => deadline.abort();
    signal?.addEventListener("abort", abort);
    watchdog.expect(this.#options.requestSeconds * 1000);
    let answer = { ok: false };
    try {
      const board = this.#on.board();
      const known = board ? { "If-None-Match": `"${board.version}"` } : {};
      const response = await this.#get("", "application/json", known, deadline.signal);
      answer = { ok: response.ok || response.status === 304, ...this.#judge(response) };
      if (response.ok) this.#takeDocument(await response.json());
    } catch {
      answer = { ok: false };
      this.#reason = "unreachable";
    } finally {
      watchdog.stop();
      signal?.removeEventListener("abort", abort);
    }
    if (!signal?.aborted) this.#polled(answer.ok);
    return answer;
  }

  #takeDocument({ version, data, timestamp }) {
    const board = makeBoard(version, data, timestamp);
    if (!board) throw new TypeError("not a board");
    this.#on.onBoard(board);
  }

  #polled(ok) {
    if (this.#live) return;
    this.#pollWorked = ok;
    if (ok) {
      this.#reason = "";
      this.#on.onAlive(this.#status(), "");
    } else this.#settle();
  }

  /** GET with the caller's token. One that was rejected is shown to `getToken`, to be renewed. */
  async #get(path, accept, extra, signal) {
    const headers = { Accept: accept, ...extra };
    const token = (await this.#options.getToken?.(this.#rejected)) ?? null;
    this.#token = token;
    if (token) headers.Authorization = `Bearer ${token}`;
    const response = await fetch(this.#options.url + path, { headers, signal, cache: "no-store" });
    const refused = response.status === 401 || response.status === 403;
    this.#rejected = refused ? token : null;
    return response;
  }

  #judge(response) {
    const { status } = response;
    if (status === 401 || status === 403) this.#reason = "forbidden";
    else if (status === 429) this.#reason = "limited";
    else if (status >= 400) this.#reason = "unavailable";
    return { retryAfterMs: retryAfterMs(response.headers.get("Retry-After")) };
  }

  /** How long to wait, and how much of that even the user's return does not shorten. */
  #delay(failures, { retryAfterMs: asked = 0 }) {
    const maximum = Math.max(this.#options.retryMaxSeconds * 1000, this.#retryMs);
    const backoff = Math.min(this.#retryMs * 2 ** Math.max(0, failures - 1), maximum);
    // Only ever longer than asked for, so that those who were sent away together return apart.
    const jitter = 1 + Math.random() / 2;
    return [Math.max(backoff, asked) * jitter, asked];
  }

  #status() {
    if (this.#live) return "live";
    if (this.#pollWorked === false) return "offline";
    return this.#pollWorked && this.#streamTried ? "polling" : "connecting";
  }

  #settle() {
    const status = this.#status();
    this.#on.onStatus(status, status === "offline" ? this.#reason : "");
  }
}

/** Ends what was silent for too long. */
class Watchdog {
  barked = false;
  #timer;
  #bark;

  constructor(onSilence) {
    this.#bark = () => {
      this.barked = true;
      onSilence();
    };
  }

  expect(withinMs) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#bark, withinMs);
  }

  stop() {
    clearTimeout(this.#timer);
  }
}

/** Learns how long this server's silences are: its heartbeat is a setting that nobody tells us. */
class Heartbeats {
  #last = 0;
  #seen = 0;
  #longest = 0;

  /** Note a heartbeat. Answers the silence to allow, once two intervals are known. */
  limit() {
    const now = Date.now();
    if (this.#last) {
      this.#seen += 1;
      this.#longest = Math.max(this.#longest, now - this.#last);
    }
    this.#last = now;
    if (this.#seen < 2) return undefined;
    return Math.min(Math.max(2.5 * this.#longest, SILENCE_FLOOR_MS), SILENCE_CEILING_MS);
  }
}

/** A wait that can be cut short, though not below what the server asked for. */
class Nap {
  #end = null;
  #timer;
  #earliest = 0;

  sleep(ms, atLeastMs = 0) {
    this.#earliest = Date.now() + Math.min(atLeastMs, LONGEST_MS);
    return new Promise((resolve) => {
      this.#end = resolve;
      this.#timer = setTimeout(resolve, Math.min(ms, LONGEST_MS));
    });
  }

  wake(regardless = false) {
    if (!this.#end) return;
    clearTimeout(this.#timer);
    const left = this.#earliest - Date.now();
    if (regardless || left <= 0) this.#end();
    else this.#timer = setTimeout(this.#end, left);
  }
}

/** Reads an event stream (WHATWG HTML, 9.2.6) as its pieces come, and keeps its comments. */
class EventParser {
  #rest = "";
  #name = "";
  #data = [];
  #id = "";

  push(text) {
    const all = this.#rest + text;
    if (all.length > LINE_MAX_CHARS) throw new RangeError("a line without end");
    // The last line is not complete, and a CR at the end may be half of a CRLF.
    const complete = all.endsWith("\r") ? all.slice(0, -1) : all;
    const lines = complete.split(/\r\n|\r|\n/);
    this.#rest = lines.pop() + all.slice(complete.length);
    return lines.flatMap((line) => this.#line(line) ?? []);
  }

  #line(line) {
    if (line === "") return this.#dispatch();
    if (line.startsWith(":")) return { comment: true };
    const [, field, value = ""] = /^([^:]*)(?:: ?(.*))?$/s.exec(line);
    if (field === "event") this.#name = value;
    else if (field === "data") this.#data.push(value);
    else if (field === "id" && !value.includes("\0")) this.#id = value;
    else if (field === "retry" && /^\d+$/.test(value)) return { retry: Number(value) };
    return null;
  }

  #dispatch() {
    const found = { name: this.#name || "message", data: this.#data.join("\n"), id: this.#id };
    const empty = this.#data.length === 0;
    this.#name = "";
    this.#data = [];
    return empty ? null : found;
  }
}

/**
 * Which tab talks to the server: whoever holds the lock. It tells the others; when it falls silent
 * (a frozen tab keeps its lock), one that somebody looks at takes the lock from it. Without locks or
 * channels (pages on plain HTTP have no locks; where cookies are blocked or a frame is sandboxed, both
 * are denied) each talks for itself while somebody looks at it: six tabs that nobody sees would leave
 * no connection to the seventh. What was denied once is not asked for again.
 */
class Tabs {
  leads = false;
  #name;
  #share;
  #on;
  #channel = null;
  #running = false;
  #resign = null;
  #campaign = null;
  #greeted = false; // or had the time to be
  #denied = false;
  #stealing = false;
  #silence;
  #pulse;
  #unseen;

  constructor(name, share, on) {
    this.#name = name;
    this.#share = share;
    this.#on = on;
  }

  start() {
    this.#running = true;
    if (!this.#share) return this.#take();
    this.#channel = this.#denied ? null : openChannel(this.#name);
    if (!this.#channel) return this.#goAlone();
    this.#channel.onmessage = ({ data }) => this.#receive(data);
    this.#silence = new Watchdog(() => this.#nobodySpeaks());
    this.#greeted = false;
    this.#stand();
    this.ask("news");
  }

  stop() {
    this.#running = false;
    document.removeEventListener("visibilitychange", this.#look);
    clearTimeout(this.#unseen);
    this.#leaveOthers();
    this.#lose();
    this.#resign?.();
  }

  #leaveOthers() {
    this.#silence?.stop();
    this.#campaign?.abort();
    this.#campaign = null;
    this.#channel?.close();
    this.#channel = null;
  }

  #goAlone() {
    this.#denied = true;
    this.#leaveOthers();
    document.addEventListener("visibilitychange", this.#look);
    if (!this.leads) this.#take();
    this.#look();
  }

  tell(news) {
    this.#post({ news });
  }

  /** Ask the one that leads. It may be frozen, and need not be waited for as long as a silence. */
  ask(wanted) {
    this.#post({ wanted });
    if (this.#channel) this.#silence.expect(this.#greeted ? ANSWER_MS : GREETING_MS);
  }

  #post(message) {
    try {
      this.#channel?.postMessage(message);
    } catch {
      this.#goAlone();
    }
  }

  /** Wait for the lock, hold it until `stop`, and stand again when it was taken from us. */
  async #stand(steal = false) {
    this.#campaign?.abort();
    const campaign = (this.#campaign = new AbortController());
    const how = steal ? { steal } : { signal: campaign.signal };
    this.#stealing = steal;
    let held = false;
    const hold = () => {
      if (this.#campaign !== campaign) return undefined;
      held = true;
      this.#stealing = false;
      this.#take();
      return new Promise((resolve) => (this.#resign = resolve));
    };
    try {
      await navigator.locks.request(this.#name, how, hold);
    } catch {
      // Stolen, denied, or we stand anew.
    }
    if (this.#campaign !== campaign) return;
    if (!held) return this.#goAlone();
    this.#lose();
    this.#silence.expect(2 * NEWS_SLACK_MS);
    this.#stand();
  }

  #take() {
    this.leads = true;
    this.#silence?.stop();
    // While polling, bytes are rare: followers still have to know that we live.
    this.#pulse = setInterval(() => this.#on.onAsked("news"), PULSE_MS);
    this.#on.onLead();
  }

  #lose() {
    clearInterval(this.#pulse);
    if (!this.leads) return;
    this.leads = false;
    if (this.#running) this.#on.onFollow();
  }

  #look = () => {
    clearTimeout(this.#unseen);
    if (document.visibilityState === "hidden") this.#unseen = setTimeout(() => this.#rest(), UNSEEN_MS);
    else if (!this.leads) this.#take();
  };

  #rest() {
    clearInterval(this.#pulse);
    this.leads = false;
    this.#on.onRest();
  }

  #receive({ news, wanted }) {
    if (wanted && this.leads) this.#on.onAsked(wanted);
    if (!news || this.leads) return;
    this.#greeted = true;
    this.#stealing = false;
    this.#silence.expect(news.limitMs);
    this.#on.onNews(news);
  }

  #nobodySpeaks() {
    const greeted = this.#greeted;
    this.#greeted = true;
    this.#silence.expect(PULSE_MS);
    if (!greeted) return this.#on.onNobody();
    if (document.visibilityState !== "visible") return;
    if (this.#stealing) this.#goAlone(); // a lock that nobody gives us when we take it is none
    else this.#stand(true);
  }
}

/** Notices that somebody looks again, or that the machine slept. */
class WakeWatch {
  #onWake;
  #timer;
  #seenAt = 0;

  constructor(onWake) {
    this.#onWake = onWake;
  }

  start() {
    addEventListener("online", this.#online);
    addEventListener("pageshow", this.#shown);
    document.addEventListener("visibilitychange", this.#visible);
    this.#seenAt = Date.now();
    this.#timer = setInterval(() => this.#tick(), 2_000);
  }

  stop() {
    removeEventListener("online", this.#online);
    removeEventListener("pageshow", this.#shown);
    document.removeEventListener("visibilitychange", this.#visible);
    clearInterval(this.#timer);
  }

  #online = () => this.#onWake(true);
  #shown = (event) => event.persisted && this.#onWake(true);
  #visible = () => {
    this.#seenAt = Date.now();
    if (document.visibilityState === "visible") this.#onWake(false);
  };

  /** Timers stand still in sleep and the clock does not. (In hidden tabs they are slowed down.) */
  #tick() {
    const slept = Date.now() - this.#seenAt > SLEEP_MS;
    this.#seenAt = Date.now();
    if (slept && document.visibilityState === "visible") this.#onWake(true);
  }
}

/** Null where locks or channels are not there, or denied to this page. */
function openChannel(name) {
  try {
    return navigator.locks && new BroadcastChannel(name);
  } catch {
    return null;
  }
}

function canStream() {
  return Boolean(globalThis.ReadableStream && globalThis.TextDecoder && "body" in Response.prototype);
}

function isEventStream(response) {
  return response.body && /^text\/event-stream\b/i.test(response.headers.get("Content-Type") ?? "");
}

function isNewer(version, than) {
  return version > than || than - version > RENUMBERED;
}

/** A board from any transport; null if it is none. */
function makeBoard(version, entries, timestamp) {
  const number = version === "" || version === null ? NaN : Number(version);
  if (!Number.isSafeInteger(number) || !Array.isArray(entries)) return null;
  const kept = entries
    .slice(0, RANKS)
    .map(({ userId, username, score }) => Object.freeze({ userId, username, score }));
  return Object.freeze({ version: number, entries: Object.freeze(kept), timestamp });
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** RFC 9110, 10.2.3: seconds, or a date. */
function retryAfterMs(value) {
  if (!value) return 0;
  const ms = /^\d+$/.test(value.trim()) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Math.min(Math.max(ms || 0, 0), LONGEST_MS);
}
