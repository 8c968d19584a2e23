/** A live board for React: `const { board, state } = useScoreboard({ url })`. */

import { useEffect, useMemo, useSyncExternalStore } from "react";
import { Snapshots, identityOf } from "./snapshots.js";

/** Follow a board while the component is mounted. Other options are another client; another `getToken` alone is not. */
export function useScoreboard(options) {
  const identity = identityOf(options);
  const snapshots = useMemo(() => new Snapshots(options), [identity]);
  const getToken = options?.getToken;
  // Before the client starts, which is an effect too, and comes behind this one.
  useEffect(() => {
    snapshots.getToken = getToken;
  }, [snapshots, getToken]);
  return useSyncExternalStore(snapshots.subscribe, snapshots.get, snapshots.get);
}
