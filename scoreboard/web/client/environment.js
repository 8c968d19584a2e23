/** What there is around the client: a page, a worker, Node, or a server that renders pages. */

const EXAMPLE = "https://scores.example.org/";

/** The whole address of `url`, which may be relative to the page, or to the script of a worker. Raises
 *  TypeError where there is neither, and for what is no address. */
function wholeAddress(url) {
  try {
    return new URL(url, globalThis.location?.href).href;
  } catch {
    if (URL.canParse?.(url, EXAMPLE) === false) throw new TypeError(`"${url}" is no address.`);
    const advice = `Give the whole address of the service, as in { url: "${EXAMPLE}" }.`;
    throw new TypeError(`The address "${url}" is relative, and there is no page here that it could start from. ${advice}`);
  }
}

/** The same, of where the page is now: its address changes with every step of a visitor. What cannot be told yet
 *  (a server renders this page) or at all is as it was given, and refused once it is needed. */
export function anchored(url) {
  try {
    return wholeAddress(url);
  } catch {
    return url;
  }
}

/** Where a service has the board `main`: its own address says so, too, where it is a host alone. */
export function leaderboardAddress(url) {
  const address = wholeAddress(url).replace(/\/$/, "");
  return new URL(address).pathname === "/" ? new URL("/api/leaderboard", address).href : address;
}

/** What the paths of a service begin with, of its own address or that of its `api/leaderboard`. */
export function serviceAddress(url) {
  const { origin, pathname } = new URL(wholeAddress(url));
  return `${origin}${pathname.replace(/(?:\/api\/leaderboard)?\/*$/, "")}/`;
}

/** Whether a browser runs this, which opens six connections to a host and no more, for all of its pages and workers. */
export function isInBrowser() {
  return Boolean(globalThis.document ?? globalThis.WorkerGlobalScope);
}

/** Whether nobody can see this page. What has no page is never hidden. */
export function isHidden() {
  return globalThis.document?.visibilityState === "hidden";
}

/** Listen to the window, or to the scope of a worker, where there is one. */
export function listen(type, listener, options) {
  globalThis.addEventListener?.(type, listener, options);
}

/** Call back whenever somebody looks at this page, or away from it. */
export function watchSight(onChange, options) {
  globalThis.document?.addEventListener("visibilitychange", onChange, options);
}

/** An event with a detail, also where there is no CustomEvent. */
export function makeEvent(type, detail) {
  return globalThis.CustomEvent ? new CustomEvent(type, { detail }) : Object.assign(new Event(type), { detail });
}
