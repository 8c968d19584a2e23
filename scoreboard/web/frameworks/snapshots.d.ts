import type { Board, Ended, ScoreboardClient, State } from "../client/scoreboard-client.js";

/** What a client knows. Frozen, and the same value until something changes. */
export interface Snapshot {
  /** The newest board, or null before the first. */
  readonly board: Board | null;
  readonly state: State;
  /** The last season that was seen to end, or null. */
  readonly ended: Ended | null;
  /** For what changes with the time (`ageSeconds`, `serverTimeMs`), `refresh` and `readSeason`. */
  readonly client: ScoreboardClient;
}
