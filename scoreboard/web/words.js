/** The texts of the page, in the language in which the server has written it. */

import { $ } from "./elements.js";
import { Words } from "./live-scoreboard.js";

const RENEW_MS = 5_000;

/** The texts by their keys, those that the operator has replaced among them. They lie in the page, because its modules
 *  need them as they begin. */
export const catalogue = $("words") ? JSON.parse($("words").textContent) : renew();

export const words = new Words(document.documentElement.lang, catalogue);

export const hasWord = (key) => key in catalogue;

/** What a rank is called: `48,213th`, or how far beyond it is while ranks are being loaded. */
export function rankInWords({ rank, rankAbove }) {
  if (rank) return words.ordinal(rank);
  return rankAbove ? `> ${words.number(rankAbove)}` : "–";
}

/** HTML of an earlier release has no words, and may meet scripts of this one while instances are replaced. */
function renew() {
  setTimeout(() => location.reload(), RENEW_MS);
  throw new Error("This page and its scripts are of different releases; it will be loaded anew.");
}
