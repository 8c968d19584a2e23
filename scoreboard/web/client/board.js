/** Boards as values: checked as they come in, and compared by their versions. */

/** The board that an answer is of when it names none. */
export const MAIN = "main";

// Further back than any cache or instance can be: the server numbered its board anew.
const RENUMBERED = 2 ** 32;

/** Make a frozen board of what a server or another tab sent. Returns null if that is no board. */
export function makeBoard({ boardId = MAIN, version, entries, timestamp }) {
  const number = version === "" || version === null ? NaN : Number(version);
  if (!Number.isSafeInteger(number) || !Array.isArray(entries)) return null;
  const kept = entries.map(({ userId, username, score }) => Object.freeze({ userId, username, score }));
  return Object.freeze({ boardId, version: number, entries: Object.freeze(kept), timestamp });
}

/** Whether a board of `version` replaces one of version `than`. */
export function isNewer(version, than) {
  return version > than || than - version > RENUMBERED;
}
