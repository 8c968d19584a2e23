/** What users can complete, what they have completed, and the completion of one, which counts once. */

import { anchored, serviceAddress } from "./environment.js";
import { Refused, TOKEN_REFUSED, send } from "./refused.js";
import { Pause } from "./timers.js";

const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 8_000;

export class Actions {
  #url;
  #session;
  #call;
  #seconds;

  /** Who submits: the user of `session`, or of the tokens that `getToken(rejected)` answers. `url` is the service's,
   *  that of the page if none is given. A submission is sent again for `patienceSeconds`. */
  constructor({ url, session, getToken, requestSeconds = 10, patienceSeconds = 30 } = {}) {
    this.#url = anchored(url ?? session?.url ?? ".");
    this.#session = session;
    this.#seconds = { requestSeconds, patienceSeconds };
    this.#call = session
      ? (path, body, how) => session.call(path, body, undefined, how)
      : (path, body, how) => this.#callBy(getToken, path, body, how);
  }

  /** A page of the catalogue, for which nobody has to be logged in: `{actions, next}`. */
  async list(page) {
    const { data, next } = await this.#send(`api/actions${queryOf(page)}`, null, null, this.#how());
    return pageOf("actions", data, next);
  }

  /** A page of what the user was granted: `{grants, next}`. Both lists go by action id. */
  async grants(page) {
    const { data, next } = await this.#call(`api/me/grants${queryOf(page)}`, null, this.#how());
    return pageOf("grants", data, next);
  }

  /** Submit an action. Returns the grant, and raises Refused. If no answer comes it is sent again: it is never
   *  granted twice, and what was granted meanwhile was granted by this. */
  async submit(actionId, { signal } = {}) {
    const patientUntil = Date.now() + this.#seconds.patienceSeconds * 1000;
    const how = { ...this.#how(signal), caller: this.#session?.user }; // nobody else submits it later
    const pause = new Pause();
    const wake = () => pause.wake(true);
    signal?.addEventListener("abort", wake);
    let isLost = false; // an answer, of what may have been granted
    try {
      for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(2 * waitMs, LONGEST_WAIT_MS)) {
        signal?.throwIfAborted();
        const answer = await this.#call("api/actions", { actionId }, how).catch((failure) => failure);
        if (!(answer instanceof Error)) return Object.freeze(answer.data);
        signal?.throwIfAborted();
        if (isLost && answer.code === "already_granted") return Object.freeze({ ...answer.grant, score: null });
        const pauseMs = Math.max(waitMs, 1000 * (answer.retryAfterSeconds ?? 0)) * (1 + Math.random() / 2);
        if (!isTransient(answer) || Date.now() + pauseMs > patientUntil) throw answer;
        isLost ||= answer.status !== 429; // which is said before anything is done
        await pause.sleep(pauseMs);
      }
    } finally {
      signal?.removeEventListener("abort", wake);
    }
  }

  async #callBy(getToken, path, body, how) {
    const token = (await getToken?.(null)) ?? null;
    return this.#send(path, body, token, how).catch(async (refused) => {
      const renewed = token && TOKEN_REFUSED.includes(refused.code) ? await getToken(token) : null;
      if (!renewed) throw refused;
      return this.#send(path, body, renewed, how);
    });
  }

  async #send(path, body, token, how) {
    return send(new URL(path, serviceAddress(this.#url)).href, body, token, how);
  }

  #how(signal) {
    return { signal, answerSeconds: this.#seconds.requestSeconds };
  }
}

/** Whether the same may be answered otherwise soon. */
function isTransient({ status }) {
  return status === 0 || status === 408 || status === 429 || status >= 500;
}

function queryOf({ after, limit } = {}) {
  const given = Object.entries({ after, limit }).filter(([, value]) => value !== undefined && value !== null);
  return given.length ? `?${new URLSearchParams(given)}` : "";
}

function pageOf(name, lines, next = null) {
  return Object.freeze({ [name]: Object.freeze(lines.map((line) => Object.freeze(line))), next });
}
