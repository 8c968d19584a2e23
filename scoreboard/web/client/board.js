/** Boards and seasons as values: checked as they come in, and compared by their versions. */

/** The board that an answer is of when it names none. */
export const MAIN = "main";

// Further back than any cache or instance can be: the server numbered its board anew.
const RENUMBERED = 2 ** 32;

/** Make a frozen board of what a server or another tab sent. Returns null if that is no board. */
export function makeBoard({ boardId = MAIN, version, direction = "high", season, entries, timestamp }) {
  const number = version === "" || version === null ? NaN : Number(version);
  if (!Number.isSafeInteger(number) || !Array.isArray(entries)) return null;
  const made = { boardId, version: number, direction, season: makeSeason(season), entries: freeze(entries) };
  return Object.freeze({ ...made, timestamp });
}

/** Make a frozen season that has ended, with its last entries; null instead of entries that nobody
 *  could say. Returns null if it is none. */
export function makeEnded({ boardId = MAIN, season, entries, closesAt = null, digest = null }) {
  const made = makeSeason(season);
  if (!made) return null;
  const last = Array.isArray(entries) ? freeze(entries) : null;
  return Object.freeze({ boardId, season: made, entries: last, closesAt, digest });
}

/** Whether a board of `version` replaces one of version `than`. */
export function isNewer(version, than) {
  return version > than || than - version > RENUMBERED;
}

export function isOver({ state }) {
  return state === "ended" || state === "final";
}

/** Whether the season that was shown before has ended by now. */
export function hasEnded(before, now) {
  if (before?.state !== "running" || !now) return false;
  return now.number > before.number || (now.number === before.number && isOver(now));
}

/** Whether a season runs now that did not before. */
export function hasStarted(before, now) {
  if (now?.state !== "running") return false;
  return !before || now.number > before.number || before.state === "upcoming";
}

export function makeSeason(season) {
  if (!Number.isSafeInteger(season?.number)) return null;
  const { number, startsAt, endsAt = null, state } = season;
  return Object.freeze({ number, startsAt, endsAt, state });
}

function freeze(entries) {
  return Object.freeze(
    entries.map(({ userId, username, score, reachedAt }) =>
      Object.freeze(reachedAt ? { userId, username, score, reachedAt } : { userId, username, score }),
    ),
  );
}
