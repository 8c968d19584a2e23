// What each of these programs is told, and how it says what it heard.
import { createRequire } from "node:module";

const { CLIENT_URL, CLIENT_TOKEN, CLIENT_SILENCE_SECONDS, CLIENT_MODULES } = process.env;
export const url = CLIENT_URL;
export const headers = CLIENT_TOKEN ? { Authorization: `Bearer ${CLIENT_TOKEN}` } : {};
export const silenceMs = 1000 * Number(CLIENT_SILENCE_SECONDS);
export const installed = createRequire(`${CLIENT_MODULES}/told.js`);
export const NAMES = ["connected", "score:update", "me:place", "closing"];

export function heard(name, id) {
  console.log(`event ${name} ${id ?? ""}`);
}

/** A timer that a stream winds up again with whatever comes; `onSilence` is called where nothing did. */
export function watch(onSilence) {
  let timer = setTimeout(onSilence, silenceMs);
  return {
    alive: () => (clearTimeout(timer), (timer = setTimeout(onSilence, silenceMs))),
    end: () => clearTimeout(timer),
  };
}
