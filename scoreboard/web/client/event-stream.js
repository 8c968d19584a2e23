/** A stream of server-sent events: its bytes become events, and its comments tell how often it speaks. */

const SILENCE_FLOOR_MS = 2_000;
export const SILENCE_CEILING_MS = 300_000;
const LINE_MAX_CHARS = 1_000_000;

export function isEventStream(response) {
  return response.body && /^text\/event-stream\b/i.test(response.headers.get("Content-Type") ?? "");
}

/** Reads an event stream (WHATWG HTML, 9.2.6) as its pieces come, and keeps its comments. */
export class EventParser {
  #rest = "";
  #name = "";
  #data = [];
  #id = "";

  /** Take a piece of text. Returns what it completed: `{name, data, id}`, `{comment}`, `{retry}` in ms. */
  push(text) {
    const all = this.#rest + text;
    if (all.length > LINE_MAX_CHARS) throw new RangeError("a line without end");
    // The last line is not complete, and a CR at the end may be half of a CRLF.
    const complete = all.endsWith("\r") ? all.slice(0, -1) : all;
    const lines = complete.split(/\r\n|\r|\n/);
    this.#rest = lines.pop() + all.slice(complete.length);
    return lines.flatMap((line) => this.#read(line) ?? []);
  }

  #read(line) {
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
    const event = { name: this.#name || "message", data: this.#data.join("\n"), id: this.#id };
    const empty = this.#data.length === 0;
    this.#name = "";
    this.#data = [];
    return empty ? null : event;
  }
}

/** Learns how long this server's silences are: its heartbeat is a setting that it does not announce. */
export class Heartbeats {
  #count = 0;
  #lastAt = Date.now();
  #longestMs = 0;

  /** Note a heartbeat. Returns the silence to allow in ms, once two intervals are known. */
  note() {
    const intervalMs = Date.now() - this.#lastAt;
    this.#lastAt += intervalMs;
    this.#count += 1;
    if (this.#count > 1) this.#longestMs = Math.max(this.#longestMs, intervalMs);
    if (this.#count < 3) return undefined;
    return Math.min(Math.max(2.5 * this.#longestMs, SILENCE_FLOOR_MS), SILENCE_CEILING_MS);
  }
}
