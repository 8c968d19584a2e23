/** Types of `<live-scoreboard>`. Manual: docs/element.md. */

import {
  type Definition,
  type Options,
  ScoreboardClient,
  type ScoreboardClientEventMap,
} from "../client/scoreboard-client.js";

export { ScoreboardClient };

/** A text with `{name}` in the place of a value, or one for each plural category that a language has. */
export type Text = string | { readonly other: string; readonly [category: string]: string };

/** Texts by their keys. */
export type Catalogue = Readonly<Record<string, Text>>;

/** Texts, numbers and dates as one language writes them. */
export class Words {
  /** A later catalogue goes before an earlier one. */
  constructor(lang: string, ...catalogues: (Catalogue | null | undefined)[]);
  readonly lang: string;
  readonly direction: string;
  text(key: string, values?: Readonly<Record<string, string | number>>): string;
  number(value: number): string;
  ordinal(rank: number): string;
  dates(options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat;
}

/** The title of a board, in the language of these words if it is one that boards have as they come. */
export function titleOf(board: { readonly boardId: string; readonly title: string }, words: Words): string;

/** What is in sight. */
export interface Shown {
  readonly boardId: string;
  /** The number of a past season that somebody chose, or null. */
  readonly season: number | null;
  /** The number of the live season, or null. */
  readonly live: number | null;
  readonly size: number;
  /** How many places of the live board are in sight. */
  readonly rows: number;
}

export interface LiveScoreboardEventMap extends ScoreboardClientEventMap {
  /** What is in sight is something else now. */
  shown: CustomEvent<Shown>;
  /** Somebody chose a season, or with null the live board. */
  "season:chosen": CustomEvent<{ readonly boardId: string; readonly number: number | null }>;
}

export class LiveScoreboard extends HTMLElement {
  /** The client that the board comes from; null while the element is on no page. Whoever sets one starts and stops it. */
  get client(): ScoreboardClient | null;
  set client(client: ScoreboardClient | null);
  /** As the option of the client. */
  getToken: Options["getToken"] | null;
  /** Whose row is marked. */
  userId: string | null;
  /** Texts that go before the element's own. */
  words: Catalogue | null;
  /** How the server describes the board. Who sets it tells, also null: then the element does not ask. */
  get definition(): Definition | null;
  set definition(definition: Definition | null);
  /** Attribute `board`. */
  board: string;
  /** Attribute `url`: the address of the service, or of its api/leaderboard. */
  url: string;
  /** Attribute `size`: how many rows at most; null for as many as the board has. */
  get size(): number | null;
  set size(size: number | null);
  /** Attribute `season`: the past one that is shown; null for the live board. */
  get season(): number | null;
  set season(season: number | null);
  /** Attribute `theme`. */
  theme: "auto" | "light" | "dark" | "transparent";
  /** Attribute `heading`: in the place of the board's title; empty for none. */
  heading: string | null;
  /** Attribute `level` of the heading. */
  level: number;
  /** Attribute `lamp`: whether the state of the connection is shown. */
  lamp: boolean;
  /** Attribute `seasons`: whether past ones can be chosen. */
  seasons: boolean;
  /** Attribute `fill`: whether it fills its box, so that the rows share the height. */
  fill: boolean;
  /** What the state of the connection is called. */
  readonly stateText: string;
  readonly shown: Shown;
  /** Ask now: after a log-in, or when the user wants to. */
  refresh(): void;
  addEventListener<K extends keyof LiveScoreboardEventMap>(
    type: K,
    listener: (event: LiveScoreboardEventMap[K]) => unknown,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  removeEventListener<K extends keyof LiveScoreboardEventMap>(
    type: K,
    listener: (event: LiveScoreboardEventMap[K]) => unknown,
    options?: boolean | EventListenerOptions,
  ): void;
  removeEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | EventListenerOptions,
  ): void;
}

declare global {
  interface HTMLElementTagNameMap {
    "live-scoreboard": LiveScoreboard;
  }
}
