export interface User {
  readonly userId: string;
  /** Text that a stranger may have chosen: show it with `textContent`, never as HTML. */
  readonly username: string;
}

/** Where the refresh token is kept: `localStorage`, `sessionStorage`, or what is like them. */
export interface KeepingStorage {
  getItem(key: string): string | null;
  setItem(key: string, text: string): void;
  removeItem(key: string): void;
}

export interface SessionOptions {
  /** The address of the service, or of its `api/leaderboard`. Default: where the page is. */
  url?: string;
  /** Where the refresh token is kept, so that the next visit is logged in. Default `localStorage`, where there is one. */
  storage?: KeepingStorage;
  /** A token is renewed so long before its end. Default 10. */
  spareSeconds?: number;
  /** A renewal without an answer is given up after this long. Default 15. */
  answerSeconds?: number;
  /** How long a tab waits for its turn to renew. Default 8. */
  lockSeconds?: number;
}

export interface CallOptions {
  signal?: AbortSignal;
  /** How long to wait for the answer. Default: as long as the browser does. */
  answerSeconds?: number;
  /** Who calls. Default: who is logged in now. If it is somebody else by then, nothing is sent: Refused with `left`. */
  caller?: User | null;
}

export interface LogIn {
  /** The user name or the e-mail address. */
  username: string;
  password: string;
}

export interface Registration extends LogIn {
  email: string;
  /** A code that works once, where an invitation is needed. */
  invitation?: string;
}

/**
 * Who is logged in: tokens, their renewal, and calls of the API. Tabs of one browser agree on it. Event `change`:
 * somebody logged in or out, here or in another tab. All that asks the server raises Refused.
 */
export class Session extends EventTarget {
  constructor(options?: SessionOptions);
  readonly url: string;
  readonly user: User | null;
  enter(how: "login", fields: LogIn): Promise<void>;
  enter(how: "register", fields: Registration): Promise<void>;
  /** Take the log-in that an identity provider has just vouched for, on the service's own origin. */
  takeLogIn(): Promise<void>;
  logOut(): Promise<void>;
  /** Every other log-in ends; this one goes on. */
  changePassword(fields: { currentPassword: string; newPassword: string }): Promise<void>;
  /** Every log-in ends, this one as well. */
  logOutEverywhere(): Promise<void>;
  /** Hear no more of other tabs. Nobody is logged out by it. */
  close(): void;
  /** An access token, renewed if need be; never the one that was just `rejected`. Null if nobody is logged in. */
  token(rejected?: string | null): Promise<string | null>;
  /** Call the API as this user, as in `call("api/me")`. Answers the document, null if there is none. */
  call(path: string, body?: object | null, method?: string, options?: CallOptions): Promise<any>;
}
