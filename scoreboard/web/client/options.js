/** What can be chosen of a client, and what holds where nothing was. */

import { MAIN } from "./board.js";
import { anchored } from "./environment.js";

const DEFAULTS = {
  url: "/api/leaderboard",
  board: MAIN,
  getToken: null,
  shareTabs: true,
  pollSeconds: 3,
  silenceSeconds: 37.5, // 2.5 heartbeats of 15 s, the server's default
  openSeconds: 8,
  requestSeconds: 10,
  retrySeconds: 2, // until the server sends `retry:`
  retryMaxSeconds: 60,
  pulseSeconds: 5,
  answerSeconds: 2,
  hiddenSeconds: 3,
  streamsMax: 4,
};

/** All options, with the whole address of `url` if that can be told here. */
export function choose(options) {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  const chosen = { ...DEFAULTS, ...Object.fromEntries(given) };
  chosen.board ??= MAIN; // a page of an earlier release names none
  chosen.url = anchored(chosen.url);
  return chosen;
}
