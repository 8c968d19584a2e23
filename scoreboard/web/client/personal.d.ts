import type { Season } from "./board.js";
import type { Options, State } from "./options.js";
import type { OwnPlace } from "./place.js";

/** The options that are not about one board's stream. */
export type CommonOptions = Omit<Options, "board">;

export interface PersonalOptions extends CommonOptions {
  /** The ids of the boards on which the user's places are wanted: 20 at most. Default `["main"]`. */
  boards?: readonly string[];
  /** Whose places they are. Tabs of one user share a stream, those of others keep apart. */
  userId: string;
  /** Answers an access token of that user. */
  getToken: NonNullable<Options["getToken"]>;
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
