/** What a place means, in words. */

import { ordinal, points, pointsInWords } from "./board-view.js";
import { isTied } from "./place-line.js";

const NONE = "You have no place here yet: nothing that you did counts on this board.";
const NONE_THEN = "You had no place in this season.";

/** `isPast`: it is of a season that is over. */
export function describe(place, isPast) {
  const { score, rank, rankAbove, total, percentile, competitionRank } = place;
  if (score === null) return isPast ? NONE_THEN : NONE;
  if (!rank && rankAbove) {
    return `Ranks beyond the ${ordinal(rankAbove)} are being counted. Yours will stand here shortly.`;
  }
  if (!rank) return "You are not shown on this board.";
  if (total === 1) return "Nobody else is here yet.";
  if (rank === 1) return "Nobody is ahead of you.";
  const ahead = percentile > 0 ? `You are ahead of ${percentile} % of all.` : "Everybody else is ahead of you so far.";
  return isTied(place) ? `${ahead} Your score is that of the ${ordinal(competitionRank)}, who had it earlier.` : ahead;
}

export function describeNext({ username, points: missing }, direction) {
  const more = `${points(missing)} more ${missing === 1 ? "point" : "points"}`;
  return `${direction === "low" ? `${pointsInWords(missing)} less` : more} and you are ahead of ${username}.`;
}

/** `{text, rank}`, of which the page shows the rank anyway. */
export function describeOvertaken({ by, count, rank }) {
  const others = count - by.length;
  const names = by.map(({ username }) => username);
  if (others > 0) names.push(names.length ? `${points(others)} more` : "Others");
  const text = `${new Intl.ListFormat("en").format(names)} overtook you.`;
  return { text, rank: rank ? `You are ${ordinal(rank)} now.` : "" };
}
