/**
 * Who is logged in here. The access token lives in memory only; the refresh token in localStorage,
 * so that a reload stays logged in and all tabs agree (docs/client.md says why).
 */

const KEY = "scoreboard.session";
const TURN = "scoreboard.turn"; // whose turn it is to renew, where there are no locks
const SPARE_MS = 10_000; // renew before the server's clock says so
const ANSWER_MS = 15_000; // well within the server's grace for an answer that was lost
const LOCK_MS = 8_000; // longer than the server takes for an answer
// What an access token is refused with that was good once: a new one is asked for, once.
const ENDED = ["expired_token", "invalid_token", "revoked_token", "unknown_user"];

/** A refusal: the API's code and message, and what is wrong by field. */
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

/** Event `change`: somebody logged in or out, here or in another tab. */
export class Session extends EventTarget {
  #access = null; // {token, expiresAt}
  #kept = null;
  #stores = true; // until the storage is denied
  #locks = true; // until locks are
  #renewing = null;

  constructor() {
    super();
    this.#kept = this.#newest();
    addEventListener("storage", ({ key }) => (key === KEY || key === null) && this.#sync());
  }

  /** `{userId, username}` or null. */
  get user() {
    return this.#kept && { userId: this.#kept.userId, username: this.#kept.username };
  }

  register(fields) {
    return this.#enter("register", fields);
  }

  logIn(fields) {
    return this.#enter("login", fields);
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
    if (token && token !== rejected && Date.now() < expiresAt - SPARE_MS) return token;
    this.#renewing ??= this.#renew().finally(() => (this.#renewing = null));
    await this.#renewing;
    return this.#access?.token ?? null;
  }

  /** Call the API as this user. A token that ran out on the way is renewed once. Whoever logs in here
   *  meanwhile is somebody else: nothing is done in that name, and the answer is not for them. */
  async call(path, body) {
    const caller = this.user;
    const token = await this.token();
    this.#expect(caller);
    const answer = await send(path, body, token).catch(async (refusal) => {
      const renewed = token && ENDED.includes(refusal.code) ? await this.token(token) : null;
      this.#expect(caller);
      if (!renewed) throw refusal;
      return send(path, body, renewed);
    });
    this.#expect(caller);
    return answer;
  }

  #expect(caller) {
    if (this.#kept?.userId === caller?.userId) return;
    const message = `This was for ${caller?.username ?? "nobody"}, who is not logged in here any more.`;
    throw new Refusal(401, { code: "left", message }, null);
  }

  async #enter(how, fields) {
    this.#accept(await send(`api/auth/${how}`, fields));
  }

  /** One tab at a time; the one behind finds the newer token in the storage. */
  #renew() {
    const exchange = async () => {
      const kept = this.#newest();
      if (!kept) return this.#sync();
      const body = { refreshToken: kept.refreshToken };
      // With a token that is good it is a user's request, whom no flood from this address keeps out.
      const access = this.#access?.token;
      const answer = await send("api/auth/refresh", body, access, ANSWER_MS).catch((refusal) => refusal);
      // Who logged out meanwhile stays so. (A tab without locks was given the same successor.)
      const newest = this.#newest()?.refreshToken;
      if (newest !== kept.refreshToken && newest !== answer.refreshToken) return this.#sync();
      if (!(answer instanceof Refusal)) return this.#accept(answer);
      this.#access = null;
      if (answer.status !== 401) throw answer;
      return this.#keep(null);
    };
    return this.#alone(exchange);
  }

  /** One tab at a time. The server answers a second one with the same token, and ends the log-in at
   *  a third. Locks that are denied (a sandboxed frame, blocked cookies) or never given are not asked
   *  for again. Of those who go on without, one at a time meets the one that has the lock. */
  async #alone(work) {
    let begun = false;
    const begin = () => {
      begun = true;
      return work();
    };
    if (this.#locks) {
      try {
        const signal = AbortSignal.timeout(LOCK_MS);
        const done = await navigator.locks.request("scoreboard.refresh", { signal }, begin);
        if (begun) return done;
      } catch (failure) {
        if (begun) throw failure;
      }
      this.#locks = false; // there are none on plain HTTP either
    }
    return this.#stores ? inTurn(work) : work();
  }

  #accept({ accessToken, expiresIn, refreshToken, userId, username }) {
    this.#access = { token: accessToken, expiresAt: Date.now() + expiresIn * 1000 };
    this.#keep({ refreshToken, userId, username });
  }

  #keep(kept) {
    const changed = this.#kept?.userId !== kept?.userId;
    this.#kept = kept;
    if (!kept) this.#access = null;
    this.#stores = write(kept);
    if (changed) this.dispatchEvent(new Event("change"));
  }

  /** What all tabs agree on; without a storage, what this one knows. */
  #newest() {
    const found = this.#stores ? read() : undefined;
    this.#stores = found !== undefined;
    return this.#stores ? found : this.#kept;
  }

  /** Another tab wrote: its word is newer than ours. */
  #sync() {
    const before = this.#kept?.userId;
    this.#kept = this.#newest();
    if (this.#kept?.userId === before) return;
    this.#access = null;
    this.dispatchEvent(new Event("change"));
  }
}

/** A lock of our own, for plain HTTP, where browsers have none: whoever finds the turn free writes a
 *  name there, and works if it stands there still at two looks, a moment apart. (Tabs see each other's
 *  writes late on a busy machine.) A turn ends by itself, because a tab may be closed in the
 *  middle of it. */
async function inTurn(work) {
  const name = `${Math.random()}`;
  const patientUntil = Date.now() + 4 * ANSWER_MS;
  let looks = Number(isMine(name));
  while (looks < 2 && Date.now() < patientUntil) {
    await new Promise((resume) => setTimeout(resume, 60 + 60 * Math.random()));
    looks = isMine(name) ? looks + 1 : 0;
  }
  try {
    return await work();
  } finally {
    if (turn().holder === name) store(TURN, null);
  }
}

/** Whether the turn is ours; asks for it if it is free. Where none can be kept, everybody's is. */
function isMine(name) {
  const { holder, since } = turn();
  if (holder === name) return true;
  const free = !(Math.abs(Date.now() - since) <= ANSWER_MS); // one that nobody can read is free
  return free && !store(TURN, `${name} ${Date.now()}`);
}

function turn() {
  const [holder, since] = (stored(TURN) ?? " 0").split(" ");
  return { holder, since: Number(since) };
}

async function send(path, body, token, withinMs) {
  const headers = { Accept: "application/json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body) headers["Content-Type"] = "application/json";
  const signal = withinMs ? AbortSignal.timeout(withinMs) : null;
  const request = { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body), signal };
  const response = await fetch(path, request).catch(() => null);
  if (!response) throw new Refusal(0, {}, null);
  const document = await response.json().catch(() => ({}));
  if (response.ok) return document;
  throw new Refusal(response.status, document, response.headers.get("Retry-After"));
}

/** What is kept, null if nothing of ours is; undefined where storage is closed to us. */
function read() {
  const text = stored(KEY);
  if (text === undefined) return undefined;
  try {
    const kept = JSON.parse(text);
    return kept?.refreshToken ? kept : null;
  } catch {
    return null; // not ours
  }
}

/** Whether it could. Where storage is closed to us, a tab stays logged in until it is closed. */
function write(kept) {
  if (store(KEY, kept && JSON.stringify(kept))) return true;
  store(KEY, null); // no room: an older token there would be used again, which ends the log-in
  return false;
}

function stored(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return undefined;
  }
}

/** Keep a text, or with null no text. Answers whether it is kept: some say nothing. */
function store(key, text) {
  try {
    if (text === null) localStorage.removeItem(key);
    else localStorage.setItem(key, text);
    return localStorage.getItem(key) === text;
  } catch {
    return false;
  }
}
