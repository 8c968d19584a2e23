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

/** The options that are not about one board's stream. */
type CommonOptions = Omit<Options, "board">;

export interface PersonalOptions extends CommonOptions {
  /** The ids of the boards on which the user's places are wanted: 20 at most. Default `["main"]`. */
  boards?: readonly string[];
  /** Whose places they are. Tabs of one user share a stream, those of others keep apart. */
  userId: string;
  /** Answers an access token of that user. */
  getToken: NonNullable<Options["getToken"]>;
}

export interface PlacesOptions extends Pick<Options, "url" | "board" | "getToken" | "requestSeconds"> {
  /** The number of a season of that board. Null, the default, is the live one. */
  season?: number | null;
}

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

interface About {
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

/** Who overtook the user: of the first thousand, and whom the user follows. */
export interface Overtaken {
  readonly boardId: string;
  readonly season: Season | null;
  /** The best placed: three at most. */
  readonly by: readonly { readonly userId: string; readonly username: string }[];
  readonly count: number;
  readonly rank: number;
}

export interface Granted {
  /** The newest ten. */
  readonly grants: readonly { readonly actionId: string; readonly points: number; readonly grantedAt: string }[];
  readonly count: number;
  /** Of all of them. */
  readonly points: number;
  readonly score: number;
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

/** The server said no to what was asked for. `status` is 0 if it said nothing. */
export class Refused extends Error {
  readonly status: number;
  /** The API's code, or `unreachable`. */
  readonly code: string;
  readonly retryAfterSeconds: number | null;
}

/** Asks for places. All methods raise Refused. */
export class Places {
  constructor(options?: PlacesOptions);
  /** The user's own place, and so many entries on either side of it (0 to 50, 5 if not said). */
  me(options?: { around?: number }): Promise<Surroundings>;
  /** Somebody else's place. */
  user(userId: string): Promise<Surroundings>;
  /**
   * A page of the ranking: from the top, from a rank, behind or before a cursor, or the entries of up to a
   * hundred users. `limit` is 1 to 100.
   */
  entries(options?: {
    after?: string;
    before?: string;
    rank?: number;
    users?: readonly string[];
    limit?: number;
  }): Promise<Page>;
  /** Whom the user follows, by name. */
  follows(): Promise<readonly Followed[]>;
  follow(userId: string): Promise<null>;
  unfollow(userId: string): Promise<null>;
}

export interface PersonalClientEventMap {
  /** One's place on one of the boards has changed, or is known for the first time. */
  place: CustomEvent<OwnPlace>;
  overtaken: CustomEvent<Overtaken>;
  granted: CustomEvent<Granted>;
  state: CustomEvent<State>;
}

/** Follows what concerns one user: `new PersonalClient({ userId, getToken }).start()`. */
export class PersonalClient extends EventTarget {
  constructor(options: PersonalOptions);
  readonly state: State;
  /** The newest place on that board, `main` if none is named; null before the first. */
  place(boardId?: string): OwnPlace | null;
  /** Follow the places until `stop`. */
  start(): this;
  /** Close every connection and timer. */
  stop(): void;
  /** Ask now. */
  refresh(): void;
  addEventListener<K extends keyof PersonalClientEventMap>(
    type: K,
    listener: (event: PersonalClientEventMap[K]) => unknown,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  removeEventListener<K extends keyof PersonalClientEventMap>(
    type: K,
    listener: (event: PersonalClientEventMap[K]) => unknown,
    options?: boolean | EventListenerOptions,
  ): void;
  removeEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | EventListenerOptions,
  ): void;
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
