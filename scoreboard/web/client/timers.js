/** Waits that others can end, and attempts that end by themselves. */

export const LONGEST_MS = 86_400_000; // a timer takes no more than 24.8 days

/** Calls back once the time that was allowed has passed. */
export class Deadline {
  #onPassed;
  #timer;

  constructor(onPassed) {
    this.#onPassed = onPassed;
  }

  /** Allow `ms` from now on, whatever was allowed before. */
  allow(ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#onPassed, ms);
  }

  stop() {
    clearTimeout(this.#timer);
  }
}

/** A deadline, if there is one, that aborts a request, as the `outer` signal does. */
export class Attempt extends Deadline {
  timedOut = false;
  #controller = new AbortController();
  signal = this.#controller.signal;

  constructor(outer, withinMs) {
    super(() => {
      this.timedOut = true;
      this.abort();
    });
    outer?.addEventListener("abort", () => this.abort(), { signal: this.signal });
    if (outer?.aborted) this.abort();
    else if (withinMs) this.allow(withinMs);
  }

  /** Give it up, or what is left of it. */
  abort() {
    this.stop();
    this.#controller.abort();
  }
}

/** A wait that can be cut short, though not below what the server asked for. */
export class Pause {
  #resume = null;
  #timer;
  #earliest = 0;

  /** Wait `ms`, of which `wake` takes away what is above `atLeastMs`. */
  sleep(ms, atLeastMs = 0) {
    this.#earliest = Date.now() + Math.min(atLeastMs, LONGEST_MS);
    return new Promise((resolve) => {
      this.#resume = resolve;
      this.#timer = setTimeout(resolve, Math.min(ms, LONGEST_MS));
    });
  }

  wake(regardless = false) {
    if (!this.#resume) return;
    clearTimeout(this.#timer);
    const leftMs = this.#earliest - Date.now();
    if (regardless || leftMs <= 0) this.#resume();
    else this.#timer = setTimeout(this.#resume, leftMs);
  }
}
