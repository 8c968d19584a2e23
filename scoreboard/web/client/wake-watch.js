/** Notices that somebody looks at the page again, or that the machine slept. */

import { isHidden, listen, watchSight } from "./environment.js";

const TICK_MS = 2_000;
const SLEEP_MS = 10_000;

const watchers = new Set();
let endWatch = null;

/** Call `onWake(slept)` from now on; if it slept, connections may be dead unnoticed. Returns what ends
 *  this. All boards of a page share one watch. */
export function watchForWakes(onWake) {
  watchers.add(onWake);
  endWatch ??= watch((slept) => watchers.forEach((each) => each(slept)));
  return () => {
    watchers.delete(onWake);
    if (watchers.size) return;
    endWatch?.();
    endWatch = null;
  };
}

function watch(onWake) {
  const watching = new AbortController();
  const { signal } = watching;
  let seenAt = Date.now();
  listen("online", () => onWake(true), { signal });
  listen("pageshow", ({ persisted }) => persisted && onWake(true), { signal });
  watchSight(() => {
    seenAt = Date.now();
    if (!isHidden()) onWake(false);
  }, { signal });
  const timer = setInterval(() => {
    // In sleep timers stand still and the clock does not. (In hidden tabs timers are slowed down.)
    const slept = Date.now() - seenAt > SLEEP_MS;
    seenAt = Date.now();
    if (slept && !isHidden()) onWake(true);
  }, TICK_MS);
  return () => {
    watching.abort();
    clearInterval(timer);
  };
}
