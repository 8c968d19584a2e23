/** The page: the board and the client's state; the account beside them; a screen for a hall. */

import { AccountView } from "./account-view.js";
import { BoardView } from "./board-view.js";
import { ScoreboardClient } from "./scoreboard-client.js";
import { Session } from "./session.js";

const STATES = { connecting: "Connecting", live: "Live", polling: "Polling", offline: "Offline" };
const REASONS = { forbidden: "Log-in needed", limited: "Waiting" };
const NO_BOARD = {
  unreachable: "cannot be reached; trying again",
  unavailable: "out of order; trying again",
  limited: "busy; trying again shortly",
  forbidden: "log in to see the board",
};
const STALE_SECONDS = 10;

const $ = (id) => document.getElementById(id);
const session = new Session();
const view = new BoardView($("rows"), $("spoken"));
const account = new AccountView(session);
const client = new ScoreboardClient({
  url: "api/leaderboard",
  board: $("rows").dataset.board,
  // No token while it cannot be renewed: a board that is open to all needs none.
  getToken: (rejected) => session.token(rejected).catch(() => null),
});

client.addEventListener("board", ({ detail: board }) => {
  view.show(board);
  account.see(board.entries);
  showFreshness();
});
client.addEventListener("state", ({ detail: { status, reason } }) => {
  $("state").textContent = (status === "offline" && REASONS[reason]) || STATES[status] || "";
  $("state").parentElement.dataset.status = status;
  showFreshness();
});
session.addEventListener("change", () => {
  view.mark(session.user?.userId);
  client.refresh();
});

view.mark(session.user?.userId);
client.start();
setInterval(showFreshness, 1_000);
// What the tests and the curious look at.
globalThis.scoreboard = client;

/** Say when the board changed, or when it was last known to be the newest if that is no longer so. */
function showFreshness() {
  const { board, ageSeconds, state } = client;
  const offline = state.status === "offline";
  if (!board) return setText($("fresh"), offline ? NO_BOARD[state.reason] : "\u00a0");
  if (state.status !== "live" && ageSeconds > STALE_SECONDS) {
    return setText($("fresh"), `as of ${ago(ageSeconds)}`);
  }
  const changed = `changed ${ago((Date.now() - Date.parse(board.timestamp)) / 1000)}`;
  return setText($("fresh"), board.entries.length ? changed : "nobody has scored yet");
}

function ago(seconds) {
  if (seconds < 5) return "just now";
  if (seconds < 60) return `${Math.floor(seconds / 5) * 5} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86_400)} d ago`;
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// A screen in a hall. `#wall` in the address shows it without a click, for kiosks.
const root = document.documentElement;
const REVEAL_MS = 3_000;
let wakeLock = null;
let revealTimer;

function setWall(on) {
  root.classList.toggle("wall", on);
  $("screen-label").textContent = on ? "Leave full screen" : "Full screen";
  if (on) keepAwake();
  else wakeLock?.release();
}

async function keepAwake() {
  // Refused on plain HTTP, on low battery and in hidden tabs: then the screen may turn dark.
  wakeLock = await navigator.wakeLock?.request("screen").catch(() => null);
  if (!root.classList.contains("wall")) wakeLock?.release(); // the wall was left meanwhile
}

function leaveWall() {
  if (location.hash === "#wall") history.replaceState(null, "", " ");
  if (document.fullscreenElement) document.exitFullscreen();
  else setWall(false);
}

/** Show pointer and button for a moment, because somebody moved or touched. */
function reveal() {
  root.classList.add("revealed");
  clearTimeout(revealTimer);
  revealTimer = setTimeout(() => root.classList.remove("revealed"), REVEAL_MS);
}

const wanted = () => Boolean(document.fullscreenElement) || location.hash === "#wall";
$("join").textContent = location.host + location.pathname.replace(/\/$/, "");
$("screen").addEventListener("click", () => {
  if (root.classList.contains("wall")) leaveWall();
  else if (root.requestFullscreen) root.requestFullscreen().catch(() => setWall(true));
  else setWall(true);
});
for (const type of ["pointermove", "pointerdown"]) addEventListener(type, reveal, { passive: true });
addEventListener("keydown", ({ key }) => {
  if (key === "Escape" && root.classList.contains("wall")) leaveWall();
});
document.addEventListener("fullscreenchange", () => setWall(wanted()));
document.addEventListener("visibilitychange", () => document.hidden || !wanted() || keepAwake());
addEventListener("hashchange", () => setWall(wanted()));
setWall(wanted());
