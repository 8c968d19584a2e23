import type { Season } from "./board.js";
import type { Options } from "./options.js";
import type { Followed, Page, Surroundings } from "./place.js";

export interface PlacesOptions extends Pick<Options, "url" | "board" | "getToken" | "requestSeconds"> {
  /** The number of a season of that board. Null, the default, is the live one. */
  season?: number | null;
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
