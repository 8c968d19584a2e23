/** The page: which board it shows, which of its seasons, and how the client fares; the account beside them. */

import { AccountView } from "./account-view.js";
import { BoardView } from "./board-view.js";
import { BoardsView } from "./boards-view.js";
import { $, setText } from "./elements.js";
import { PlacesView } from "./places-view.js";
import { FINAL_SIZE, MAIN, ScoreboardClient } from "./scoreboard-client.js";
import { SeasonList } from "./season-list.js";
import { SeasonView } from "./season-view.js";
import { Session } from "./session.js";
import "./bar.js";
import "./wall.js";

const STATES = { connecting: "Connecting", live: "Live", polling: "Polling", offline: "Offline" };
const REASONS = { forbidden: "Log-in needed", limited: "Waiting", unknown: "No such board" };
const NO_BOARD = {
  unreachable: "cannot be reached; trying again",
  unavailable: "out of order; trying again",
  limited: "busy; trying again shortly",
  forbidden: "log in to see the board",
  unknown: "there is no such board, or not yet",
};
const BOARD_ID = /^[a-z0-9](?:[a-z0-9-]{0,48}[a-z0-9])?$/;
const STALE_SECONDS = 10;
const REFRESH_MS = 60_000; // of the lists of boards and seasons
const BOARDS_KEY = "scoreboard.boards";
const SPREAD_MS = 5_000;
const LATE_MS = 30; // behind a full second: a timer may be early
const HOLD_SECONDS = 30; // how long the final board of a season stays in sight

const session = new Session();
const view = new BoardView($("rows"), $("spoken"));
const account = new AccountView(session);
const places = new PlacesView(session, account);
const boards = new BoardsView($("boards"), (boardId) => go({ boardId, number: null }));
const seasons = new SeasonList($("seasons"), (number) => go({ boardId: current, number }));
const seasonView = new SeasonView(() => go({ boardId: current, number: null }));

const home = $("rows").dataset.board ?? MAIN; // HTML of an earlier release names none
let current = null; // the id of the board that is shown
let client = null; // follows it
let following = null; // aborted when another board is followed
let defined = recall(); // all boards, as the server describes them
let final = null; // a season that has ended, whose final board is shown instead of the live one
let listsTimer = null;
let heldSeconds = Infinity; // for how long, if nobody chose it

/** Show what the address asks for: a board, or with `number` one of its seasons. */
function show({ boardId, number }) {
  final = null;
  if (boardId !== current) follow(boardId);
  if (number !== null) lookAt(number);
  draw();
}

function follow(boardId) {
  current = boardId;
  following?.abort();
  client?.stop();
  following = new AbortController();
  client = new ScoreboardClient({
    url: "api/leaderboard",
    board: boardId,
    // No token while it cannot be renewed: a board that is open to all needs none.
    getToken: (rejected) => session.token(rejected).catch(() => null),
  });
  const on = (type, act) =>
    client.addEventListener(type, ({ detail }) => act(detail), { signal: following.signal });
  on("board", draw);
  on("state", showState);
  on("season:started", loadListsSoon);
  on("season:ended", hold);
  globalThis.scoreboard = client; // what the tests and the curious look at
  seasons.begin((query) => session.call(`api/boards/${boardId}/seasons?${query}`));
  client.start();
  loadLists();
}

/** A season has ended: its final board stays in sight for a while, or until somebody goes on. */
function hold(ended) {
  loadListsSoon();
  const chosen = final && heldSeconds === Infinity;
  if (chosen || !ended.entries) return;
  final = ended;
  heldSeconds = HOLD_SECONDS;
  draw();
}

async function lookAt(number) {
  const asked = { boardId: current, season: { number }, entries: null };
  final = asked;
  heldSeconds = Infinity;
  const found = await client.readSeason(number);
  if (final !== asked) return; // somebody went on meanwhile
  const isLive = client.board?.season?.number === number && isOpen(client.board);
  final = found ?? (isLive ? null : { ...asked, isMissing: true });
  draw();
}

/** Go there, so that the address says where, and the way back leads here. */
function go(place) {
  const query = new URLSearchParams();
  if (place.boardId !== home) query.set("board", place.boardId);
  if (place.number !== null) query.set("season", place.number);
  const search = query.size ? `?${query}` : "";
  if (search !== location.search) history.pushState(null, "", location.pathname + search + location.hash);
  show(place);
}

function asked() {
  const query = new URLSearchParams(location.search);
  const boardId = query.get("board") ?? home;
  const number = /^[1-9]\d{0,9}$/.test(query.get("season") ?? "") ? Number(query.get("season")) : null;
  return { boardId: BOARD_ID.test(boardId) ? boardId : home, number };
}

/** Ask which boards there are, and which seasons this one has. What cannot be read stays as it was. */
async function loadLists() {
  const list = await session.call("api/boards?limit=1000").catch(() => null);
  if (list) keep((defined = list.data));
  draw();
  if ((definition()?.period ?? "none") === "none") return;
  await seasons.load();
  draw();
}

/** A reload of this tab begins with the boards that were there, so that nothing moves. */
function keep(boards) {
  try {
    sessionStorage.setItem(BOARDS_KEY, JSON.stringify(boards));
  } catch {
    // Denied, or there is no room: they are asked for in any case.
  }
}

function recall() {
  try {
    return JSON.parse(sessionStorage.getItem(BOARDS_KEY)) ?? [];
  } catch {
    return [];
  }
}

/** After a season's end, at which the pages of all visitors would ask at one moment. */
function loadListsSoon() {
  listsTimer ??= setTimeout(() => {
    listsTimer = null;
    loadLists();
  }, SPREAD_MS * Math.random());
}

/** Whether somebody can score there: `main` names no season, and its one has no end. */
const isOpen = (board) => board?.season?.state === "running" || board?.boardId === MAIN;

const hasSeveral = () => defined.length > 1 || current !== home;

const definition = () => defined.find(({ boardId }) => boardId === current);

function draw() {
  const { board } = client;
  const size = definition()?.size ?? 10;
  boards.show(defined, current, hasSeveral());
  showTitle(size);
  const invites = isOpen(board);
  const finalSize = Math.min(size, FINAL_SIZE);
  if (final?.entries) view.show(final, { of: `${current} ${final.season.number} final`, size: finalSize });
  else if (board && !final) view.show(board, { of: `${current} ${board.season?.number}`, size, invites });
  else view.wait(size);
  account.see(current, board?.entries ?? [], size);
  showPlaces(size);
  showTime();
}

function showTitle(size) {
  const several = hasSeveral();
  const title = several ? (definition()?.title ?? current) : `Top ${size}`;
  setText($("board-title"), title);
  document.title = several ? `${title} · Scoreboard` : "Scoreboard";
  const season = client.board?.season;
  setText($("standing-of"), several ? `${title}${season?.endsAt ? `, season ${season.number}` : ""}` : "");
}

/** Places of the season that is shown; of a final board that goes by itself, the live one's go on. */
function showPlaces(size) {
  const isChosen = Boolean(final) && heldSeconds === Infinity;
  places.see({
    boardId: current,
    title: definition()?.title ?? (current === MAIN ? "All time" : current),
    direction: client.board?.direction ?? "high",
    season: isChosen ? final.season.number : null,
    live: client.board?.season?.number ?? null,
    rows: final ? 0 : Math.min(size, client.board?.entries.length ?? 0),
  });
}

/** What changes with the time. */
function showTime() {
  const season = client.board?.season ?? null;
  const isAwaited = !client.board && current !== home && definition()?.period !== "none";
  const about = { definition: definition(), season, isAwaited };
  if (final) seasonView.showFinal({ ...about, final, heldSeconds, userId: session.user?.userId });
  else seasonView.showLive({ ...about, upcoming: seasons.upcoming(season), nowMs: client.serverTimeMs });
  seasons.show(season, final?.season ?? null, definition()?.zone);
  showFreshness();
}

/** At each full second of the server's clock, so that no second of the time left is missed or shown twice. */
function tick() {
  setTimeout(tick, 1_000 + LATE_MS - (client.serverTimeMs % 1_000));
  if (final && !document.hidden) heldSeconds -= 1;
  if (heldSeconds > 0) return showTime();
  final = null;
  heldSeconds = Infinity;
  draw();
}

function showState({ status, reason }) {
  $("state").textContent = (status === "offline" && REASONS[reason]) || STATES[status] || "";
  $("state").parentElement.dataset.status = status;
  showFreshness();
}

/** Say when the board changed, or when it was last known to be the newest if that is no longer so. */
function showFreshness() {
  const { board, ageSeconds, state } = client;
  const offline = state.status === "offline";
  if (final) return setText($("fresh"), "");
  if (!board) return setText($("fresh"), offline ? NO_BOARD[state.reason] : "\u00a0");
  if (state.status !== "live" && ageSeconds > STALE_SECONDS) {
    return setText($("fresh"), `as of ${ago(ageSeconds)}`);
  }
  const changed = `changed ${ago((client.serverTimeMs - Date.parse(board.timestamp)) / 1000)}`;
  if (board.entries.length) return setText($("fresh"), changed);
  return setText($("fresh"), isOpen(board) ? "nobody has scored yet" : "");
}

function ago(seconds) {
  if (seconds < 5) return "just now";
  if (seconds < 60) return `${Math.floor(seconds / 5) * 5} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86_400)} d ago`;
}

session.addEventListener("change", () => {
  view.mark(session.user?.userId);
  client.refresh();
  loadLists();
  if (final && !final.entries) lookAt(final.season.number);
});
addEventListener("popstate", () => show(asked()));
view.mark(session.user?.userId);
show(asked());
tick();
setInterval(() => document.hidden || loadLists(), REFRESH_MS);
