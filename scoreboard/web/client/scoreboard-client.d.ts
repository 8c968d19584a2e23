import type { Board, Definition, Ended, Season, Seasons } from "./board.js";
import type { Options, State } from "./options.js";

export * from "./actions.js";
export * from "./board.js";
export * from "./options.js";
export * from "./personal.js";
export * from "./place.js";
export * from "./places.js";
export * from "./refused.js";
export * from "./session.js";

/** The version of this client. One major version stays compatible. */
export const VERSION: string;

/** How many entries stay in sight, of a season that has ended. */
export const FINAL_SIZE: number;

export interface ScoreboardClientEventMap {
  board: CustomEvent<Board>;
  state: CustomEvent<State>;
  /** Once for a season, also if it ended while the connection was away. */
  "season:ended": CustomEvent<Ended>;
  /** Just before the `board` of that season. */
  "season:started": CustomEvent<{ readonly boardId: string; readonly season: Season }>;
}

/** Follows the board: `new ScoreboardClient().start()`, and listen to `board` and `state`. */
export class ScoreboardClient extends EventTarget {
  constructor(options?: Options);
  /** Which board is followed. */
  readonly boardId: string;
  /** The newest board, or null before the first. */
  readonly board: Board | null;
  /** The last season that was seen to end, or null. */
  readonly ended: Ended | null;
  readonly state: State;
  /** Seconds since the board was last known to be the newest; null if it never was. */
  readonly ageSeconds: number | null;
  /** What the server's clock shows, in ms since 1970, as far as the dates of its answers tell. */
  readonly serverTimeMs: number;
  /** Ask for a season of this board that has ended, as it was kept. Null if it is not to be had. */
  readSeason(number: number): Promise<Ended | null>;
  /** Ask how the board is defined. Null if that is not to be had. */
  readDefinition(): Promise<Definition | null>;
  /** Ask for the newest seasons, or for those before a number. Null if they are not to be had. */
  readSeasons(after?: number | null): Promise<Seasons | null>;
  /** Follow the board until `stop`. */
  start(): this;
  /** Close every connection and timer. */
  stop(): void;
  /** Ask now: after a log-in, or when the user wants to. */
  refresh(): void;
  addEventListener<K extends keyof ScoreboardClientEventMap>(
    type: K,
    listener: (event: ScoreboardClientEventMap[K]) => unknown,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  removeEventListener<K extends keyof ScoreboardClientEventMap>(
    type: K,
    listener: (event: ScoreboardClientEventMap[K]) => unknown,
    options?: boolean | EventListenerOptions,
  ): void;
  removeEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | EventListenerOptions,
  ): void;
}
