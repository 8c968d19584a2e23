/**
 * Who is logged in here. The access token lives in memory only; the refresh token in localStorage,
 * so that a reload stays logged in and all tabs agree (docs/client.md says why).
 */

const KEPT_KEY = "scoreboard.session";
const LOST_MS = 1_000; // between an answer that was lost and the next question for tokens
const ON_ITS_WAY_MS = 1_000; // a new password ends the tokens, also in this browser, a moment before the next ones come
const TURN_KEY = "scoreboard.turn"; // which tab may renew, where there are no locks
// The codes that refuse an access token which was good once: a new one is asked for, once.
const TOKEN_REFUSED = ["expired_token", "invalid_token", "revoked_token", "unknown_user"];

/** A refusal: the API's code and message, and what is wrong with which field. */
export class Refusal extends Error {
  constructor(status, document, retryAfter) {
    super(document.message ?? "The server cannot be reached. Try again shortly.");
    this.status = status;
    this.code = document.code ?? "unreachable";
    this.errors = document.errors ?? {};
    this.grant = document.grant ?? null;
    this.retryAfter = retryAfter;
  }
}

/** Who is logged in. Event `change`: somebody logged in or out, here or in another tab. */
export class Session extends EventTarget {
  #seconds;
  #access = null; // {token, expiresAt}
  #kept = null; // {refreshToken, userId, username}
  #hasStorage = true; // until it is denied
  #hasLocks = true; // until they are denied
  #renewing = null;
  #lost = null; // `{refusal, until}` of the last renewal that failed

  /** A token is renewed `spareSeconds` before its end. `answerSeconds` are well within the server's
   *  grace for an answer that was lost; `lockSeconds` are more than an answer takes. */
  constructor({ spareSeconds = 10, answerSeconds = 15, lockSeconds = 8 } = {}) {
    super();
    this.#seconds = { spareSeconds, answerSeconds, lockSeconds };
    this.#kept = this.#newest();
    addEventListener("storage", ({ key }) => (key === KEPT_KEY || key === null) && this.#sync());
  }

  /** `{userId, username}` or null. */
  get user() {
    return this.#kept && { userId: this.#kept.userId, username: this.#kept.username };
  }

  /** Register or log in; `how` is the API's name for it: `register` or `login`. */
  async enter(how, fields) {
    this.#accept(await send(`api/auth/${how}`, fields));
  }

  /** Take the log-in that an identity provider has just vouched for. */
  async takeLogIn() {
    this.#accept(await send("api/login", {}));
  }

  async logOut() {
    const refreshToken = this.#kept?.refreshToken;
    this.#keep(null);
    if (refreshToken) await send("api/auth/logout", { refreshToken }).catch(() => {});
  }

  /** Every other log-in ends, in other browsers too; this one goes on with new tokens. */
  async changePassword(fields) {
    this.#accept(await this.call("api/auth/password", fields));
  }

  /** Every log-in ends, this one as well. */
  async logOutEverywhere() {
    await this.call("api/auth/logout-all", {});
    this.#keep(null);
  }

  /** An access token, or null; never the one that was just rejected. */
  async token(rejected = null) {
    if (!this.#kept) return null;
    const { token, expiresAt } = this.#access ?? {};
    const usableUntil = expiresAt - this.#seconds.spareSeconds * 1000;
    if (token && token !== rejected && Date.now() < usableUntil) return token;
    // Several ask for it, and the server ends the log-in at the third question with one token.
    if (Date.now() < this.#lost?.until) throw this.#lost.refusal;
    this.#renewing ??= this.#renew().catch((refusal) => this.#lose(refusal)).finally(() => (this.#renewing = null));
    await this.#renewing;
    return this.#access?.token ?? null;
  }

  /** Call the API as this user; returns its document, or raises a Refusal. A token that ended is renewed
   *  once. For somebody else who logs in meanwhile nothing is done, and they do not get the answer. */
  async call(path, body, method) {
    const caller = this.user;
    const token = await this.token();
    this.#expect(caller);
    const answer = await send(path, body, token, { method }).catch(async (refusal) => {
      const renewed = token && TOKEN_REFUSED.includes(refusal.code) ? await this.token(token) : null;
      this.#expect(caller);
      if (!renewed) throw refusal;
      return send(path, body, renewed, { method });
    });
    this.#expect(caller);
    return answer;
  }

  #expect(caller) {
    if (this.#kept?.userId === caller?.userId) return;
    const message = `This was for ${caller?.username ?? "nobody"}, who is not logged in here any more.`;
    throw new Refusal(401, { code: "left", message }, null);
  }

  #lose(refusal) {
    this.#lost = { refusal, until: Date.now() + LOST_MS };
    throw refusal;
  }

  /** Get the next tokens, one tab at a time; the tab behind finds the newer token in the storage. */
  #renew() {
    const exchange = async () => {
      const kept = this.#newest();
      if (!kept) return this.#sync();
      const body = { refreshToken: kept.refreshToken };
      // With a good token it is the request of a user, whom no flood from this address keeps out.
      const access = this.#access?.token;
      const { answerSeconds } = this.#seconds;
      const answer = await send("api/auth/refresh", body, access, { answerSeconds }).catch((refusal) => refusal);
      if (answer.status === 401) await new Promise((resume) => setTimeout(resume, ON_ITS_WAY_MS));
      // Who logged out meanwhile stays logged out. (A tab without locks was given the same successor.)
      const newest = this.#newest()?.refreshToken;
      if (newest !== kept.refreshToken && newest !== answer.refreshToken) return this.#sync();
      if (!(answer instanceof Refusal)) return this.#accept(answer);
      this.#access = null;
      if (answer.status !== 401) throw answer;
      return this.#keep(null);
    };
    return this.#oneTabAtATime(exchange);
  }

  /** The server answers a second tab with the same token, and ends the log-in at a third. Locks that
   *  are denied or never given are not asked for again; those tabs go on one at a time. */
  async #oneTabAtATime(work) {
    let begun = false;
    const begin = () => {
      begun = true;
      return work();
    };
    if (this.#hasLocks) {
      try {
        const signal = AbortSignal.timeout(this.#seconds.lockSeconds * 1000);
        const done = await navigator.locks.request("scoreboard.refresh", { signal }, begin);
        if (begun) return done;
      } catch (failure) {
        if (begun) throw failure;
      }
      this.#hasLocks = false; // there are none on plain HTTP either
    }
    const turnMs = this.#seconds.answerSeconds * 1000;
    return this.#hasStorage ? inTurn(work, turnMs) : work();
  }

  #accept({ accessToken, expiresIn, refreshToken, userId, username }) {
    this.#access = { token: accessToken, expiresAt: Date.now() + expiresIn * 1000 };
    this.#keep({ refreshToken, userId, username });
  }

  #keep(kept) {
    const changed = this.#kept?.userId !== kept?.userId;
    this.#kept = kept;
    if (!kept) this.#access = null;
    this.#hasStorage = write(kept);
    if (changed) this.dispatchEvent(new Event("change"));
  }

  /** What all tabs agree on; without a storage, what this tab knows. */
  #newest() {
    const found = this.#hasStorage ? read() : undefined;
    this.#hasStorage = found !== undefined;
    return this.#hasStorage ? found : this.#kept;
  }

  /** Take over what another tab wrote, which is newer. */
  #sync() {
    const before = this.#kept?.userId;
    this.#kept = this.#newest();
    if (this.#kept?.userId === before) return;
    this.#access = null;
    this.dispatchEvent(new Event("change"));
  }
}

/** A lock of our own, because plain HTTP has none: a tab that finds the turn free writes a name there,
 *  and works if that still stands there at two looks, a moment apart, because tabs see each other's
 *  writes late. A turn ends by itself after `turnMs`: its tab may have been closed. */
async function inTurn(work, turnMs) {
  const name = `${Math.random()}`;
  const patientUntil = Date.now() + 4 * turnMs;
  let looks = Number(isMine(name, turnMs));
  while (looks < 2 && Date.now() < patientUntil) {
    await new Promise((resume) => setTimeout(resume, 60 + 60 * Math.random()));
    looks = isMine(name, turnMs) ? looks + 1 : 0;
  }
  try {
    return await work();
  } finally {
    if (turn().holder === name) store(TURN_KEY, null);
  }
}

/** Whether the turn is ours; takes it if it is free. Where no turn can be kept, every tab has it. */
function isMine(name, turnMs) {
  const { holder, since } = turn();
  if (holder === name) return true;
  const free = !(Math.abs(Date.now() - since) <= turnMs); // a turn that nobody can read is free
  return free && !store(TURN_KEY, `${name} ${Date.now()}`);
}

function turn() {
  const [holder, since] = (stored(TURN_KEY) ?? " 0").split(" ");
  return { holder, since: Number(since) };
}

async function send(path, body, token, { answerSeconds, method = body ? "POST" : "GET" } = {}) {
  const headers = { Accept: "application/json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body) headers["Content-Type"] = "application/json";
  const signal = answerSeconds ? AbortSignal.timeout(answerSeconds * 1000) : null;
  const request = { method, headers, body: body && JSON.stringify(body), signal };
  const response = await fetch(path, request).catch(() => null);
  if (!response) throw new Refusal(0, {}, null);
  const document = await response.json().catch(() => ({}));
  if (response.ok) return document;
  throw new Refusal(response.status, document, response.headers.get("Retry-After"));
}

/** Returns what is kept; null if nothing of ours is; undefined where storage is closed to us. */
function read() {
  const text = stored(KEPT_KEY);
  if (text === undefined) return undefined;
  try {
    const kept = JSON.parse(text);
    return kept?.refreshToken ? kept : null;
  } catch {
    return null; // not ours
  }
}

/** Returns whether it is kept. If storage is closed to us, a tab stays logged in until it is closed. */
function write(kept) {
  if (store(KEPT_KEY, kept && JSON.stringify(kept))) return true;
  store(KEPT_KEY, null); // no room: an older token there would be used again, which ends the log-in
  return false;
}

function stored(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return undefined;
  }
}

/** Keep a text, or with null no text. Returns whether it is kept: some storages drop it silently. */
function store(key, text) {
  try {
    if (text === null) localStorage.removeItem(key);
    else localStorage.setItem(key, text);
    return localStorage.getItem(key) === text;
  } catch {
    return false;
  }
}
