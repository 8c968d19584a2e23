/** What the page answers to what somebody did: one line at a time. It leaves when its cause has gone, and without one
 *  after a while; what stands around it does not move then. */

import { $ } from "./elements.js";
import { hasWord, words } from "./words.js";

const SEEN_MS = 8_000;
const FADE_MS = 600; // as .leaving takes

/** The cause of what is said while the server cannot be reached. */
const LINE = "line";

let current = null; // the cause of what is said
let timer;

/** Say it in the place of what was said before. `kind` is `good`, `bad` or neither: what is `bad` stays until its
 *  `cause`, which is anything, is settled. */
export function say(text, kind = "", cause = null) {
  clearTimeout(timer);
  const answer = $("answer");
  answer.style.minHeight = "";
  answer.textContent = text;
  answer.className = `answer ${kind}`;
  $("log-in-instead").hidden = true;
  current = cause;
  if (text && kind !== "bad") timer = setTimeout(fade, SEEN_MS);
}

/** The cause has gone. */
export function settle(cause) {
  if (cause === current) leave();
}

/** Say what was refused. `cause` is what somebody can change about it. */
export function complain(refusal, cause = null) {
  if (refusal.code === "invalid_payload") return say(""); // it is said at the fields
  say(inWords(refusal), "bad", refusal.code === "unreachable" ? LINE : cause);
  if (refusal.retryAfterSeconds) timer = setTimeout(fade, 1000 * refusal.retryAfterSeconds); // by then it is not true any more
}

/** What was refused, in the language of the page if it has a word for that. */
export function inWords({ code, message, retryAfterSeconds }) {
  const key = `refused.${code}`;
  const text = hasWord(key) ? words.text(key) : message;
  return retryAfterSeconds ? words.text("retryAfter", { text, count: retryAfterSeconds }) : text;
}

function fade() {
  $("answer").classList.add("leaving");
  timer = setTimeout(leave, FADE_MS);
}

function leave() {
  const { height } = $("answer").getBoundingClientRect();
  say("");
  $("answer").style.minHeight = `${height}px`;
}

// What the network lets through again is known to the browser, and to whoever follows the board.
addEventListener("online", () => settle(LINE));
addEventListener("state", ({ detail }) => detail?.status === "live" && settle(LINE), true);
