/** What a place means, in words. */

import { isTied } from "./place-line.js";
import { words } from "./words.js";

/** `isPast`: it is of a season that is over. */
export function describe(place, isPast) {
  const { score, rank, rankAbove, total, percentile, competitionRank } = place;
  if (score === null) return words.text(isPast ? "place.noneThen" : "place.none");
  if (!rank && rankAbove) return words.text("place.counting", { rank: words.ordinal(rankAbove) });
  if (!rank) return words.text("place.hidden");
  if (total === 1) return words.text("place.alone");
  if (rank === 1) return words.text("place.first");
  const ahead = percentile > 0 ? words.text("place.ahead", { percent: percentile }) : words.text("place.last");
  return isTied(place) ? `${ahead} ${words.text("place.tied", { rank: words.ordinal(competitionRank) })}` : ahead;
}

export function describeNext({ username, points: count }, direction) {
  const points = words.text("points", { count });
  return words.text(direction === "low" ? "place.nextLess" : "place.nextMore", { points, username });
}

/** `{text, rank}`, of which the page shows the rank anyway. */
export function describeOvertaken({ by, count, rank }) {
  const others = count - by.length;
  const names = by.map(({ username }) => username);
  if (others > 0) names.push(words.text(names.length ? "place.moreOthers" : "place.others", { count: others }));
  const text = words.text("place.overtaken", { names: new Intl.ListFormat(words.lang).format(names), count });
  return { text, rank: rank ? words.text("place.now", { rank: words.ordinal(rank) }) : "" };
}
