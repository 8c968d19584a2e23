/** Numbers and ranks in words. */

const numbers = new Intl.NumberFormat("en");
const ordinals = new Intl.PluralRules("en", { type: "ordinal" });
const SUFFIXES = { one: "st", two: "nd", few: "rd", other: "th" };

export const ordinal = (rank) => `${numbers.format(rank)}${SUFFIXES[ordinals.select(rank)]}`;
export const points = (score) => numbers.format(score);
export const pointsInWords = (score) => `${points(score)} ${score === 1 ? "point" : "points"}`;

/** What a rank is called: `48,213th`, or how far beyond it is while ranks are being loaded. */
export function rankInWords({ rank, rankAbove }) {
  if (rank) return ordinal(rank);
  return rankAbove ? `> ${points(rankAbove)}` : "–";
}
