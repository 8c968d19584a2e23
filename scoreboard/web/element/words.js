/** Texts, numbers and dates as one language writes them. */

const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/;

export class Words {
  /** The language, as BCP 47 names it. */
  lang;
  #texts;
  #numbers;
  #plurals;
  #ordinals;
  #dates = new Map(); // formats are slow to make

  /** `catalogues` hold texts by their keys; a later one goes before an earlier one. A text has `{name}` in the
   *  place of a value. Where it depends on `{count}` it is an object by plural category, `{one: …, other: …}`;
   *  `ordinal` is one by ordinal category. */
  constructor(lang, ...catalogues) {
    this.lang = lang;
    this.#texts = Object.assign({}, ...catalogues);
    this.#numbers = new Intl.NumberFormat(lang);
    this.#plurals = new Intl.PluralRules(lang);
    this.#ordinals = new Intl.PluralRules(lang, { type: "ordinal" });
  }

  /** The text of a key with these values: a number is written as the language writes it, and a text of another
   *  direction does not turn its surroundings. */
  text(key, values = {}) {
    return this.#fill(this.#texts[key], this.#plurals.select(values.count ?? 0), values);
  }

  /** `ltr` or `rtl`. */
  get direction() {
    return this.#texts.direction ?? "ltr";
  }

  number(value) {
    return this.#numbers.format(value);
  }

  /** `1st`, `1,024th`. */
  ordinal(rank) {
    return this.#fill(this.#texts.ordinal, this.#ordinals.select(rank), { count: rank });
  }

  /** A format of dates with options of `Intl.DateTimeFormat`; of a zone that this browser lacks it has none. */
  dates(options) {
    const key = JSON.stringify(options);
    if (!this.#dates.has(key)) this.#dates.set(key, this.#datesOf(options));
    return this.#dates.get(key);
  }

  #datesOf({ timeZone, ...options }) {
    try {
      return new Intl.DateTimeFormat(this.lang, { ...options, timeZone });
    } catch {
      return new Intl.DateTimeFormat(this.lang, options);
    }
  }

  #fill(text, category, values) {
    const form = typeof text === "string" ? text : (text[category] ?? text.other);
    return form.replace(/\{(\w+)\}/g, (_, name) => this.#value(values[name]));
  }

  #value(value) {
    if (typeof value === "number") return this.number(value);
    const isOther = RIGHT_TO_LEFT.test(value) !== (this.direction === "rtl");
    return isOther ? `\u2068${value}\u2069` : value;
  }
}
