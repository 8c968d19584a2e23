/** Which language an element speaks, and with which words. */

import ar from "./words/ar.js";
import de from "./words/de.js";
import en from "./words/en.js";
import { Words } from "./words.js";

const CATALOGUES = { en, de, ar };

/** The language of an element: its own `lang`, or that of the nearest one around it, also outside of its shadow
 *  tree; English where that is none of ours. */
export function languageOf(element) {
  for (let at = element; at; at = at.getRootNode().host) {
    const found = at.closest("[lang]")?.lang;
    if (found) return known(found);
  }
  return "en";
}

/** Words of that language; `overrides` go before ours. */
export function wordsOf(lang, overrides = {}) {
  return new Words(lang, CATALOGUES[base(lang)], overrides);
}

const base = (lang) => lang.split("-", 1)[0].toLowerCase();

/** `de-AT` has the words of `de`, and its own numbers and dates. */
function known(lang) {
  try {
    const [canonical] = Intl.getCanonicalLocales(lang);
    return base(canonical) in CATALOGUES ? canonical : "en";
  } catch {
    return "en";
  }
}
