/** The id of the board that is always there. */
export const MAIN: string;

/** Whether a season has ended: its `state` is `ended` or `final`. */
export function isOver(season: Pick<Season, "state">): boolean;

export interface Entry {
  readonly userId: string;
  /** Text that strangers chose: show it with `textContent`, never as HTML. */
  readonly username: string;
  readonly score: number;
  /** When it was reached, of a season that has ended. */
  readonly reachedAt?: string;
}

/** A half-open time of a board, `[startsAt, endsAt)`. */
export interface Season {
  readonly number: number;
  readonly startsAt: string;
  /** Null without an end. */
  readonly endsAt: string | null;
  readonly state: "upcoming" | "running" | "ended" | "final";
}

/** A season that has ended. Frozen. */
export interface Ended {
  readonly boardId: string;
  readonly season: Season;
  /** Its first entries: ten at most. Null if they are not to be had just now. */
  readonly entries: readonly Entry[] | null;
  /** When it is final; until then late results may still count. Null where that was not said. */
  readonly closesAt: string | null;
  /** Of the final board; null before. */
  readonly digest: string | null;
}

/** A whole board as of one version, best entry first. Frozen. */
export interface Board {
  /** Which board it is. Versions are compared between boards of one id only. */
  readonly boardId: string;
  /** Goes on over seasons. */
  readonly version: number;
  /** Whether the highest score is the best, or the lowest. Entries stand best first in both cases. */
  readonly direction: "high" | "low";
  /** The season that it shows; null for `main`, and before the first one. */
  readonly season: Season | null;
  readonly entries: readonly Entry[];
  /** When it changed, as `2024-12-09T14:30:45Z`. */
  readonly timestamp: string;
}

/** A board as an operator defined it. The API may say more. */
export interface Definition {
  readonly boardId: string;
  readonly title: string;
  readonly direction: "high" | "low";
  readonly counts: "every" | "listed" | "results";
  /** How many places it shows. */
  readonly size: number;
  readonly period: string;
  /** The time zone of its seasons, as IANA names it. */
  readonly zone: string;
  readonly graceSeconds: number;
  readonly closedAt: string | null;
  /** The season that it shows; null before the first. */
  readonly season: Season | null;
}

/** A page of the seasons of a board, newest first; `next` is the number behind which the next page begins. */
export interface Seasons {
  readonly seasons: readonly Season[];
  readonly next: number | null;
}
