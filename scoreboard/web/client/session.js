/**
 * Who is logged in here. The access token lives in memory only; the refresh token in localStorage,
 * so that a reload stays logged in and all tabs agree (docs/client.md says why).
 */

import { anchored, listen, serviceAddress } from "./environment.js";
import { Keep } from "./keep.js";
import { Refused, TOKEN_REFUSED, send } from "./refused.js";

const LOST_MS = 1_000; // between an answer that was lost and the next question for tokens
const ON_ITS_WAY_MS = 1_000; // a new password ends the tokens, also in this browser, a moment before the next ones come

/** Who is logged in. Event `change`: somebody logged in or out, here or in another tab. */
export class Session extends EventTarget {
  #url;
  #suffix; // of names in this browser
  #keep;
  #seconds;
  #access = null; // {token, expiresAt}
  #kept = null; // {refreshToken, userId, username}
  #hasStorage = true; // until it is denied
  #hasLocks = true; // until they are denied
  #renewing = null;
  #lost = null; // `{refused, until}` of the last renewal that failed
  #listening = new AbortController();

  /** `url` is the service's, that of the page if none is given; `storage` is where the refresh token is kept.
   *  A token is renewed `spareSeconds` before its end. `answerSeconds` are well within the server's
   *  grace for an answer that was lost; `lockSeconds` are more than an answer takes. */
  constructor({ url, storage, spareSeconds = 10, answerSeconds = 15, lockSeconds = 8 } = {}) {
    super();
    this.#url = anchored(url ?? ".");
    this.#suffix = suffixOf(url, this.#url);
    this.#keep = new Keep(this.#suffix, storage);
    this.#seconds = { spareSeconds, answerSeconds, lockSeconds };
    this.#kept = this.#newest();
    if (!storage) listen("storage", ({ key }) => this.#keep.isKey(key) && this.#sync(), this.#listening);
  }

  /** The service's address. */
  get url() {
    return this.#url;
  }

  /** `{userId, username}` or null. */
  get user() {
    return this.#kept && { userId: this.#kept.userId, username: this.#kept.username };
  }

  /** Register or log in; `how` is the API's name for it: `register` or `login`. */
  async enter(how, fields) {
    this.#accept(await this.#send(`api/auth/${how}`, fields));
  }

  /** Take the log-in that an identity provider has just vouched for. */
  async takeLogIn() {
    this.#accept(await this.#send("api/login", {}));
  }

  async logOut() {
    const refreshToken = this.#kept?.refreshToken;
    this.#hold(null);
    if (refreshToken) await this.#send("api/auth/logout", { refreshToken }).catch(() => {});
  }

  /** Every other log-in ends, in other browsers too; this one goes on with new tokens. */
  async changePassword(fields) {
    this.#accept(await this.call("api/auth/password", fields));
  }

  /** Every log-in ends, this one as well. */
  async logOutEverywhere() {
    await this.call("api/auth/logout-all", {});
    this.#hold(null);
  }

  /** Hear no more of other tabs. Nobody is logged out by it. */
  close() {
    this.#listening.abort();
  }

  /** An access token, or null; never the one that was just rejected. */
  async token(rejected = null) {
    if (!this.#kept) return null;
    const { token, expiresAt } = this.#access ?? {};
    const usableUntil = expiresAt - this.#seconds.spareSeconds * 1000;
    if (token && token !== rejected && Date.now() < usableUntil) return token;
    // Several ask for it, and the server ends the log-in at the third question with one token.
    if (Date.now() < this.#lost?.until) throw this.#lost.refused;
    this.#renewing ??= this.#renew().catch((refused) => this.#lose(refused)).finally(() => (this.#renewing = null));
    await this.#renewing;
    return this.#access?.token ?? null;
  }

  /** Call the API as this user; returns its document, or raises Refused. A token that ended is renewed
   *  once. For somebody else than the `caller` nothing is done: who logs in meanwhile does not get the answer. */
  async call(path, body, method, { signal, answerSeconds, caller = this.user } = {}) {
    const how = { method, signal, answerSeconds };
    const token = await this.token();
    this.#expect(caller);
    const answer = await this.#send(path, body, token, how).catch(async (refused) => {
      const renewed = token && TOKEN_REFUSED.includes(refused.code) ? await this.token(token) : null;
      this.#expect(caller);
      if (!renewed) throw refused;
      return this.#send(path, body, renewed, how);
    });
    this.#expect(caller);
    return answer;
  }

  async #send(path, body, token, how) {
    return send(new URL(path, serviceAddress(this.#url)).href, body, token, how);
  }

  #expect(caller) {
    if (this.#kept?.userId === caller?.userId) return;
    const message = `This was for ${caller?.username ?? "nobody"}, who is not logged in here any more.`;
    throw new Refused(401, { code: "left", message });
  }

  #lose(refused) {
    this.#lost = { refused, until: Date.now() + LOST_MS };
    throw refused;
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
      const answer = await this.#send("api/auth/refresh", body, access, { answerSeconds }).catch((refused) => refused);
      if (answer.status === 401) await new Promise((resume) => setTimeout(resume, ON_ITS_WAY_MS));
      // Who logged out meanwhile stays logged out. (A tab without locks was given the same successor.)
      const newest = this.#newest()?.refreshToken;
      if (newest !== kept.refreshToken && newest !== answer.refreshToken) return this.#sync();
      if (!(answer instanceof Error)) return this.#accept(answer);
      this.#access = null;
      if (answer.status !== 401) throw answer;
      return this.#hold(null);
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
        const done = await navigator.locks.request(`scoreboard.refresh${this.#suffix}`, { signal }, begin);
        if (begun) return done;
      } catch (failure) {
        if (begun) throw failure;
      }
      this.#hasLocks = false; // there are none on plain HTTP either
    }
    const turnMs = this.#seconds.answerSeconds * 1000;
    return this.#hasStorage ? this.#keep.inTurn(work, turnMs) : work();
  }

  #accept({ accessToken, expiresIn, refreshToken, userId, username }) {
    this.#access = { token: accessToken, expiresAt: Date.now() + expiresIn * 1000 };
    this.#hold({ refreshToken, userId, username });
  }

  #hold(kept) {
    const changed = this.#kept?.userId !== kept?.userId;
    this.#kept = kept;
    if (!kept) this.#access = null;
    this.#hasStorage = this.#keep.write(kept);
    if (changed) this.dispatchEvent(new Event("change"));
  }

  /** What all tabs agree on; without a storage, what this tab knows. */
  #newest() {
    const found = this.#hasStorage ? this.#keep.read() : undefined;
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

/** The page's own service has the names of earlier releases, so that nobody is logged out by an upgrade;
 *  others have their address in theirs. */
function suffixOf(given, url) {
  if (given === undefined) return "";
  try {
    const service = serviceAddress(url);
    return service === `${globalThis.location?.origin}/` ? "" : `:${service}`;
  } catch {
    return `:${url}`; // nothing is kept where it cannot be told
  }
}
