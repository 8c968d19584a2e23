import type { ComputedRef, MaybeRefOrGetter } from "vue";
import type { Options } from "../client/scoreboard-client.js";
import type { Snapshot } from "./snapshots.js";

export type { Snapshot };

/**
 * Follow a board while the component, or the effect scope, lives. Where a server renders the page it answers `idle`,
 * without a board. Other options lead to another client; another `getToken` alone does not. After a log-in call
 * `client.value.refresh()`.
 */
export function useScoreboard(options?: MaybeRefOrGetter<Options | undefined>): {
  readonly [Name in keyof Snapshot]: ComputedRef<Snapshot[Name]>;
};
