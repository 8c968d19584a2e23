/** The version of this client. One major version stays compatible. */
export const VERSION: string;

/** The id of the board that is always there. */
export const MAIN: string;

/** How many entries stay in sight, of a season that has ended. */
export const FINAL_SIZE: number;

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

export type Status =
  /** Not started, or stopped. */
  | "idle"
  /** Nothing has answered yet, or a stream was just lost. */
  | "connecting"
  /** A stream is open. */
  | "live"
  /** No stream, but polls are answered. */
  | "polling"
  /** Neither; `reason` says why. */
  | "offline";

export type Reason =
  | ""
  /** No answer at all. */
  | "unreachable"
  /** 404: this server has no such board. */
  | "unknown"
  /** Another error of the server (4xx, 5xx). */
  | "unavailable"
  /** 429; Retry-After is obeyed. */
  | "limited"
  /** 401 or 403: this server wants a token to read. */
  | "forbidden";

export interface State {
  readonly status: Status;
  readonly reason: Reason;
  /** Whether this tab is the one that talks to the server. */
  readonly leads: boolean;
}

export interface Options {
  /**
   * Where the board `main` is, relative to the page; its stream is `/stream` beneath it. Other boards
   * are `boards/{board}/leaderboard` and `boards/{board}/stream` beside it.
   */
  url?: string;
  /** Which board to follow. Default "main". */
  board?: string;
  /**
   * Answers an access token or null, before every request. `rejected` is the token that the server
   * just refused: renew it.
   */
  getToken?: ((rejected: string | null) => string | null | Promise<string | null>) | null;
  /** Whether one tab of a browser streams for all of them. Default true. */
  shareTabs?: boolean;
  /** Between polls, give or take a fifth. Default 3. */
  pollSeconds?: number;
  /** A stream silent for longer is given up, until its heartbeats are known. Default 37.5. */
  silenceSeconds?: number;
  /** A stream without its first event after this long is given up. Default 8. */
  openSeconds?: number;
  /** A poll is given up after this long. Default 10. */
  requestSeconds?: number;
  /** The first wait before a stream is tried again, until the server sends `retry:`. Default 2. */
  retrySeconds?: number;
  /** The longest such wait, unless the server asks for more. Default 60. */
  retryMaxSeconds?: number;
  /** How often the tab that streams tells the others that it lives, if nothing else does. Default 5. */
  pulseSeconds?: number;
  /** How long a tab that somebody looks at waits for an answer of the tab that streams. Default 2. */
  answerSeconds?: number;
  /** How long a tab on its own keeps its connection while nobody sees it. Default 3. */
  hiddenSeconds?: number;
  /** How many streams a browser opens to a server, of all boards and tabs. Further boards are polled. Default 4. */
  streamsMax?: number;
}

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
