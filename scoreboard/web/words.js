/** The texts of the page, in the language in which the server has written it. */

import { $ } from "./elements.js";
import { Words } from "./live-scoreboard.js";

const RELOAD_MS = 5_000;

/** The texts by their keys, those that the operator has replaced among them. Those lie in the page that its modules
 *  need as they begin; the others come with the first module that needs some (`withWords`). */
export const catalogue = $("words") ? JSON.parse($("words").textContent) : renew();

export let words = new Words(document.documentElement.lang, catalogue);

let others = null; // a promise of the texts that do not lie in the page

export const hasWord = (key) => key in catalogue;

/** Have all texts. Raises TypeError or SyntaxError where they cannot be loaded; the next call tries again. */
export function loadWords() {
  others ??= readOthers().catch((error) => {
    others = null;
    throw error;
  });
  return others;
}

/** A module that comes on demand, as `import` promises it, and all texts with it: such modules need more than lie in the
 *  page. Raises an Error that says in words that it cannot be loaded. */
export async function withWords(imported) {
  try {
    const [module] = await Promise.all([imported, loadWords()]);
    return module;
  } catch {
    throw new Error(words.text("unloadable"));
  }
}

async function readOthers() {
  const response = await fetch($("words").dataset.others);
  if (!response.ok) throw new TypeError(`The texts cannot be loaded: ${response.status}`);
  Object.assign(catalogue, await response.json());
  words = new Words(words.lang, catalogue);
}

/** What a rank is called: `48,213th`, or how far beyond it is while ranks are being loaded. */
export function rankInWords({ rank, rankAbove }) {
  if (rank) return words.ordinal(rank);
  return rankAbove ? `> ${words.number(rankAbove)}` : "–";
}

/** HTML of an earlier release has no words, and may meet scripts of this one while instances are replaced. */
function renew() {
  setTimeout(() => location.reload(), RELOAD_MS);
  throw new Error("This page and its scripts are of different releases; it will be loaded anew.");
}
