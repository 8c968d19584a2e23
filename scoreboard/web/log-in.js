/** The way back from an identity provider: the address says `#login=done`, or why nobody was logged in. */

const MESSAGES = {
  denied: "You were not logged in. Choose again how you want to log in.",
  expired: "This log-in was not begun in this browser, or it took too long. Log in once more.",
  refused: "The answer of the provider cannot be used. Log in once more, or tell who runs this board.",
  unavailable: "Log-ins by this provider do not work just now. Try again in a minute.",
  banned: "This account is banned. Write to who runs this board.",
  unknown: "This account was deleted a short while ago. It can be made anew later.",
  limited: "There were many log-ins from here. Wait a minute and try again.",
};

/** Log in whom the provider has vouched for. Returns what to say, and how; raises a Refusal. */
export async function comeBack(session) {
  const outcome = location.hash.slice("#login=".length);
  goBack();
  if (outcome !== "done") return [MESSAGES[Object.hasOwn(MESSAGES, outcome) ? outcome : "refused"], "bad"];
  try {
    await session.takeLogIn();
  } catch (refusal) {
    if (refusal.code !== "invalid_refresh_token") throw refusal;
    // A reload, or somebody's link: nothing waits here for this browser.
    return session.user ? ["", ""] : [MESSAGES.expired, "bad"];
  }
  return [`Welcome, ${session.user.username}.`, ""];
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
