/** A request of which the server says yes or no, and its no as an error. */

import { Attempt } from "./timers.js";

// The codes that refuse an access token which was good once: a new one is asked for, once.
export const TOKEN_REFUSED = ["expired_token", "invalid_token", "revoked_token", "unknown_user"];

/** The server said no, or (status 0) said nothing. */
export class Refused extends Error {
  constructor(status, document, retryAfter = null) {
    const { code = "unreachable", message, errors = {}, grant = null } = document ?? {};
    super(message ?? "The server cannot be reached. Try again shortly.");
    this.name = "Refused";
    Object.assign(this, { status, code, errors, grant });
    this.retryAfterSeconds = /^\d+$/.test(retryAfter ?? "") ? Number(retryAfter) : null;
  }
}

/** Send a request. Returns the document of the answer, null if it has none. Raises Refused; an answer that was cut
 *  is none. Without `answerSeconds` it waits as long as the browser does. */
export async function send(address, body, token, { answerSeconds, signal, method = body ? "POST" : "GET" } = {}) {
  const headers = { Accept: "application/json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body) headers["Content-Type"] = "application/json";
  const attempt = new Attempt(signal, answerSeconds ? answerSeconds * 1000 : null);
  try {
    const request = { method, headers, body: body && JSON.stringify(body), signal: attempt.signal };
    return await read(await fetch(address, request));
  } catch (failure) {
    throw failure instanceof Refused ? failure : new Refused(0);
  } finally {
    attempt.abort();
  }
}

/** Returns the document of an answer, null if it has none. Raises Refused, or what broke the answer. */
export async function read(response) {
  const isEmpty = response.status === 204;
  if (response.ok) return isEmpty ? null : response.json();
  // An error of a proxy has no document of ours.
  throw new Refused(response.status, await response.json().catch(() => null), response.headers.get("Retry-After"));
}
