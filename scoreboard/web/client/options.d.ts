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
   * are `boards/{board}/leaderboard` and `boards/{board}/stream` beside it. The address of a host alone
   * (`https://scores.example.org`) means the service there. Where there is no page (Node) it has to be a whole one.
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
  /** How many streams a browser opens to a server, of all boards and tabs. Further boards are polled. Node opens as many as
   *  there are boards. Default 4. */
  streamsMax?: number;
}
