import type { Options } from "./options.js";
import type { Session } from "./session.js";

export interface ActionsOptions {
  /** The address of the service, or of its `api/leaderboard`. Default: that of the session, or where the page is. */
  url?: string;
  /** Whose user submits. */
  session?: Session;
  /** Or: answers the access token of who submits, of one user: make other `Actions` for another. */
  getToken?: Options["getToken"];
  /** A request without an answer is given up after this long. Default 10. */
  requestSeconds?: number;
  /** How long a submission without an answer is sent again. Default 30. */
  patienceSeconds?: number;
}

/** Something that can be completed. Frozen. */
export interface Action {
  readonly actionId: string;
  readonly points: number;
  /** Who may say that it was completed: a user of themselves, or the game's server alone. */
  readonly claim: "user" | "server";
}

/** What was granted. Frozen. */
export interface Grant {
  readonly actionId: string;
  readonly points: number;
  readonly grantedAt: string;
}

/** A grant that this submission led to. */
export interface NewGrant extends Grant {
  /** The user's score with it. Null if the answer that said so was lost. */
  readonly score: number | null;
}

/** Which page of a list: behind `after`, the `next` of the page before. `limit` is 1 to 1000. */
export interface PageOptions {
  after?: string | null;
  limit?: number;
}

/** The catalogue of actions, and submissions. All methods raise Refused. */
export class Actions {
  constructor(options?: ActionsOptions);
  /** A page of the catalogue, by action id. Nobody has to be logged in. */
  list(page?: PageOptions): Promise<{ readonly actions: readonly Action[]; readonly next: string | null }>;
  /** A page of what the user was granted, by action id. */
  grants(page?: PageOptions): Promise<{ readonly grants: readonly Grant[]; readonly next: string | null }>;
  /**
   * Submit the completion of an action, which counts once. If no answer comes it is sent again; what was granted
   * meanwhile counts as granted by this. Raises Refused with `already_granted` and the `grant` if it was before.
   */
  submit(actionId: string, options?: { signal?: AbortSignal }): Promise<NewGrant>;
}
