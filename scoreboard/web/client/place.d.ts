import type { Season } from "./board.js";

/** Where an entry stands. Ranks are null where they are not known: see `rankAbove`. */
export interface Ranks {
  /** 1, 2, 3, 4: everybody has one of their own. */
  readonly rank: number | null;
  /** 1, 2, 2, 4: equal scores share it. */
  readonly competitionRank: number | null;
  /** 1, 2, 2, 3: of the different scores. */
  readonly denseRank: number | null;
}

/** A line of a ranking. Frozen. */
export interface Place extends Ranks {
  readonly userId: string;
  /** Text that strangers chose: show it with `textContent`, never as HTML. */
  readonly username: string;
  readonly score: number;
  readonly reachedAt: string;
}

/** Who stands next before one. */
export interface Ahead {
  readonly userId: string;
  readonly username: string;
  /** What is missing to stand before them. Positive, also where the lowest score is the best. */
  readonly points: number;
}

/** Somebody's place on one board, with what it means. Frozen. */
export interface OwnPlace extends Ranks {
  readonly boardId: string;
  readonly season: Season | null;
  /** Null for who has no entry there. */
  readonly score: number | null;
  /** How many entries there are. Null while ranks are being loaded. */
  readonly total: number | null;
  /** How many of a hundred stand behind, rounded down to two decimals. */
  readonly percentile: number | null;
  /** While ranks are being loaded, all that is known of a `rank` that is null: it is beyond this one. */
  readonly rankAbove: number | null;
  readonly next: Ahead | null;
}

export interface About {
  readonly boardId: string;
  readonly direction: "high" | "low";
  readonly season: Season | null;
  readonly version: number;
  readonly total: number | null;
}

/** A place and the entries around it, as of one version. Frozen. */
export interface Surroundings extends About {
  readonly place: OwnPlace;
  readonly entries: readonly Place[];
}

/** A page of a ranking, as of one version. Frozen. */
export interface Page extends About {
  readonly entries: readonly Place[];
  /** Cursors. They go on after the season has ended. */
  readonly next: string | null;
  readonly previous: string | null;
  /** While ranks are being loaded, those beyond this one are null. */
  readonly rankAbove: number | null;
}

export interface Followed {
  readonly userId: string;
  readonly username: string;
  readonly followedAt: string;
}
