/** The server's clock, as far as the dates of its answers tell. */

export class Clock {
  #leastMs = -Infinity;
  #mostMs = Infinity;

  /** Note an answer that was asked for at `askedAt` (ms since 1970, by our clock). Its Date has whole
   *  seconds, so each answer bounds the difference, and several together bound it more closely. */
  note({ headers }, askedAt) {
    const date = Date.parse(headers.get("Date") ?? ""); // other origins may not show it
    if (Number.isNaN(date) || headers.has("Age")) return;
    const leastMs = date - Date.now();
    const mostMs = date + 1000 - askedAt;
    // One of the clocks was set: what was known before is worth nothing.
    const agrees = leastMs <= this.#mostMs && mostMs >= this.#leastMs;
    this.#leastMs = agrees ? Math.max(leastMs, this.#leastMs) : leastMs;
    this.#mostMs = agrees ? Math.min(mostMs, this.#mostMs) : mostMs;
  }

  /** How many ms the server's clock is ahead of ours; null if no answer has told. */
  get aheadMs() {
    return Number.isFinite(this.#leastMs) ? (this.#leastMs + this.#mostMs) / 2 : null;
  }
}
