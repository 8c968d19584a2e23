/** The texts of the page, in the language in which the server has written it. */

import { Words } from "./live-scoreboard.js";

// A browser loads one of them.
const LANGUAGES = {
  en: () => import("./words-en.js"),
  de: () => import("./words-de.js"),
  ar: () => import("./words-ar.js"),
};
const { lang } = document.documentElement;

/** The texts by their keys, those that the operator has replaced among them. */
export const { default: catalogue } = await (LANGUAGES[lang] ?? LANGUAGES.en)();

export const words = new Words(lang || "en", catalogue);

export const hasWord = (key) => key in catalogue;

/** What a rank is called: `48,213th`, or how far beyond it is while ranks are being loaded. */
export function rankInWords({ rank, rankAbove }) {
  if (rank) return words.ordinal(rank);
  return rankAbove ? `> ${words.number(rankAbove)}` : "–";
}
