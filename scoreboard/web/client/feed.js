/** How one tab gets what it follows: by a stream, and by polls while there is none. */

import { EventParser, Heartbeats, SILENCE_CEILING_MS, isEventStream } from "./event-stream.js";
import { isForbidden } from "./server.js";
import { Attempt, LONGEST_MS, Pause } from "./timers.js";

// The codes of `closing` after which another stream can be opened at once, with a new token.
const TOKEN_ENDED = ["expired_token", "revoked_token"];

export class Feed {
  /** The silence after which the stream is given up. */
  silenceMs;
  #options;
  #server;
  #source;
  #listener;
  #running = null; // aborted by `stop`
  #live = false;
  #streamTried = false;
  #pollWorked = null; // null until one was answered or given up
  #reason = "";
  #retryMs;
  #lastByteAt = 0;
  #stream = null;
  #streamPause = new Pause();
  #pollPause = new Pause();

  /** `source` has `stream`, the address; hear(name, document, id), which takes an event; and ask(get), which
   *  polls by `get(address, headers)`. Both return whether it was what was asked for, `hear` undefined for an
   *  event that does not tell. `listener` has takeRoom(), onConfirmed(status) and onStatus(status, reason). */
  constructor(options, server, source, listener) {
    this.#options = options;
    this.#server = server;
    this.#source = source;
    this.#listener = listener;
    this.silenceMs = options.silenceSeconds * 1000;
    this.#retryMs = options.retrySeconds * 1000;
  }

  start() {
    this.stop();
    this.#running = new AbortController();
    this.#streamTried = false;
    this.#pollWorked = null;
    const { signal } = this.#running;
    this.#keepStreaming(signal);
    this.#keepPolling(signal);
  }

  stop() {
    this.#running?.abort();
    this.#running = null;
    this.#live = false;
    this.#streamPause.wake(true);
    this.#pollPause.wake(true);
  }

  /** The user is back: ask at once. After a sleep the stream's connection may be dead unnoticed. */
  wake(slept) {
    if (!this.#running) return;
    if (slept || Date.now() - this.#lastByteAt > this.silenceMs) this.#stream?.abort();
    this.#streamPause.wake();
    this.#pollPause.wake();
    if (this.#live) this.pollOnce(this.#running.signal);
  }

  async #keepStreaming(signal) {
    let failures = 0;
    while (!signal.aborted) {
      const leaveRoom = await this.#listener.takeRoom();
      if (signal.aborted) return leaveRoom?.();
      const openedAt = Date.now();
      const end = leaveRoom ? await this.#streamOnce(signal) : { noRoom: true };
      leaveRoom?.();
      if (signal.aborted) return;
      const wasLive = this.#live;
      this.#live = false;
      this.#streamTried = true;
      this.#pollWorked = wasLive ? null : this.#pollWorked;
      this.#settle();
      if (end.noRoom) {
        await this.#streamPause.sleep(this.#pollMs());
        continue;
      }
      this.#pollPause.wake();
      // A stream that opens only to end again is a failure, too.
      failures = wasLive && Date.now() - openedAt > this.#retryMs ? 0 : failures + 1;
      if (!end.tokenEnded || failures > 1) await this.#streamPause.sleep(...this.#delay(failures, end));
    }
  }

  /** Follow one stream to its end. Returns `{retryAfterMs, tokenEnded}`; never throws. */
  async #streamOnce(signal) {
    // This deadline holds until the first event: a proxy that buffers sends headers and no more.
    const attempt = (this.#stream = new Attempt(signal, this.#options.openSeconds * 1000));
    const end = {};
    let reader;
    try {
      const headers = { Accept: "text/event-stream" };
      const response = await this.#server.get(this.#source.stream, headers, attempt.signal);
      end.retryAfterMs = this.#judge(response);
      if (!response.ok || !isEventStream(response)) return end;
      reader = response.body.getReader();
      await this.#read(reader, attempt, end);
    } catch {
      // Cut, refused or mute. While it was live, a longer silence may be this server's habit.
      if (this.#live && attempt.timedOut) {
        this.silenceMs = Math.min(this.silenceMs * 2, SILENCE_CEILING_MS);
      }
    } finally {
      reader?.cancel().catch(() => {});
      attempt.abort();
    }
    return end;
  }

  async #read(reader, attempt, end) {
    const decoder = new TextDecoder();
    const parser = new EventParser();
    const heartbeats = new Heartbeats();
    while (!end.closing) {
      const { done, value } = await reader.read();
      if (done) return;
      this.#lastByteAt = Date.now();
      for (const part of parser.push(decoder.decode(value, { stream: true }))) {
        if (part.comment) this.silenceMs = heartbeats.note() ?? this.silenceMs;
        else if (part.retry !== undefined) this.#retryMs = Math.min(part.retry, LONGEST_MS);
        else this.#handle(part, end);
      }
      if (!this.#live) continue;
      attempt.allow(this.silenceMs);
      this.#listener.onConfirmed("live");
    }
  }

  #handle({ name, data, id }, end) {
    const document = parseJson(data);
    if (name === "closing") {
      end.closing = true;
      end.tokenEnded = TOKEN_ENDED.includes(document?.code);
      if (end.tokenEnded) this.#server.rejectToken();
      return;
    }
    if (name === "connected") this.#live = true;
    const isAsked = this.#source.hear(name, document, id);
    if (isAsked === undefined) return;
    this.#live = this.#isAsked(isAsked);
    if (!this.#live) throw new TypeError("not what was asked for");
  }

  async #keepPolling(signal) {
    let failures = 0;
    while (!signal.aborted) {
      if (this.#live) {
        failures = 0;
        await this.#pollPause.sleep(LONGEST_MS);
        continue;
      }
      const { ok, retryAfterMs } = await this.pollOnce(signal);
      failures = ok ? 0 : failures + 1;
      if (signal.aborted || this.#live) continue;
      await this.#pollPause.sleep(...(ok ? [this.#pollMs()] : this.#delay(failures, { retryAfterMs })));
    }
  }

  /** Ask once for something newer. Returns `{ok, retryAfterMs}`; never throws. */
  async pollOnce(signal) {
    const attempt = new Attempt(signal, this.#options.requestSeconds * 1000);
    let answer = { ok: false };
    const get = async (address, headers) => {
      const accepted = { Accept: "application/json", ...headers };
      const response = await this.#server.get(address, accepted, attempt.signal);
      answer = { ok: response.ok || response.status === 304, retryAfterMs: this.#judge(response) };
      return response;
    };
    try {
      const isAsked = await this.#source.ask(get);
      answer.ok &&= this.#isAsked(isAsked);
    } catch {
      answer = { ok: false };
      this.#reason = "unreachable";
    } finally {
      attempt.abort();
    }
    if (!signal?.aborted && !this.#live) {
      this.#pollWorked = answer.ok;
      if (answer.ok) {
        this.#reason = "";
        this.#listener.onConfirmed(this.#status());
      } else this.#settle();
    }
    return answer;
  }

  #isAsked(isAsked) {
    if (!isAsked) this.#reason = "unavailable";
    return isAsked;
  }

  /** Note why a response is a refusal. Returns the ms that it asks to wait. */
  #judge(response) {
    if (isForbidden(response)) this.#reason = "forbidden";
    else if (response.status === 429) this.#reason = "limited";
    else if (response.status === 404) this.#reason = "unknown";
    else if (response.status >= 400) this.#reason = "unavailable";
    return retryAfterMs(response.headers.get("Retry-After"));
  }

  #pollMs() {
    return this.#options.pollSeconds * 1000 * (0.8 + 0.4 * Math.random());
  }

  /** Returns the ms to wait, and how many of them not even the user's return takes away. */
  #delay(failures, { retryAfterMs: asked = 0 }) {
    const maximum = Math.max(this.#options.retryMaxSeconds * 1000, this.#retryMs);
    const backoff = Math.min(this.#retryMs * 2 ** Math.max(0, failures - 1), maximum);
    // Only ever longer than asked for, so that clients that were sent away together return apart.
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
    this.#listener.onStatus(status, status === "offline" ? this.#reason : "");
  }
}

function parseJson(text) {
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
