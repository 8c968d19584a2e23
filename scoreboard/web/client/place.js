/** Places as values: checked as they come in. */

import { MAIN, makeSeason } from "./board.js";

/** One's own place on a board, of a `me:place` or of an answer of `/me`. */
export function makeOwnPlace({ boardId = MAIN, season, score = null, rank = null, ...more }) {
  const { competitionRank = null, denseRank = null, total = null, percentile = null } = more;
  const { rankAbove = null, next = null } = more;
  const ranks = { rank, competitionRank, denseRank, rankAbove, total, percentile };
  return Object.freeze({ boardId, season: makeSeason(season), score, ...ranks, next: makeAhead(next) });
}

/** Whether `told`, by a stream, is a score that is shown to nobody, of which an answer of `/me` says nothing. */
export function isHiddenIn(answer, told) {
  const isSame = told?.season?.number === answer.season?.number;
  return answer.score === null && isSame && (told?.score ?? null) !== null && !told.rank && !told.rankAbove;
}

/** Who stands next before one, and how many points are missing. */
function makeAhead(next) {
  return next && Object.freeze({ userId: next.userId, username: next.username, points: next.points });
}

/** A line of a ranking. */
export function makePlace({ rank = null, competitionRank = null, denseRank = null, ...entry }) {
  const { userId, username, score, reachedAt } = entry;
  return Object.freeze({ rank, competitionRank, denseRank, userId, username, score, reachedAt });
}
