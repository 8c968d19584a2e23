/** The way back from an identity provider: the address says `#login=done`, or why nobody was logged in. */

import { words } from "./words.js";

const FAILURES = ["denied", "expired", "refused", "unavailable", "banned", "unknown", "limited"];

/** Log in whom the provider has vouched for. Returns what to say, and how; raises Refused. */
export async function comeBack(session) {
  const outcome = location.hash.slice("#login=".length);
  goBack();
  if (outcome !== "done") return [words.text(`logIn.${FAILURES.includes(outcome) ? outcome : "refused"}`), "bad"];
  try {
    await session.takeLogIn();
  } catch (refusal) {
    if (refusal.code !== "invalid_refresh_token") throw refusal;
    // A reload, or somebody's link: nothing waits here for this browser.
    return session.user ? [""] : [words.text("logIn.expired"), "bad"];
  }
  return [words.text("welcome", session.user)];
}

/** To the board from which the log-in led away; the outcome leaves the address, so that a reload says nothing. */
function goBack() {
  let search = location.search;
  try {
    search = sessionStorage.getItem("scoreboard.place") ?? search;
    sessionStorage.removeItem("scoreboard.place");
  } catch {
    // Denied: nothing was kept.
  }
  history.replaceState(history.state, "", location.pathname + search);
  dispatchEvent(new PopStateEvent("popstate"));
}
