/** The page: which board it shows, which of its seasons, and how the line fares; the account beside them. */

import { AccountView } from "./account-view.js";
import { BoardsView } from "./boards-view.js";
import { $, create, setText } from "./elements.js";
import { titleOf } from "./live-scoreboard.js";
import { PlacesView } from "./places-view.js";
import { MAIN, Session } from "./scoreboard-client.js";
import { catalogue, words } from "./words.js";
import "./bar.js";
import "./wall.js";

const BOARD_ID = /^[a-z0-9](?:[a-z0-9-]{0,48}[a-z0-9])?$/;
const LIST_REFRESH_MS = 60_000; // of the list of boards
const LIST_SPREAD_MS = 5_000;
const BOARDS_KEY = "scoreboard.boards";
const PAGE_TITLE = document.title;

const session = new Session();
const board = $("board") ?? putBoard();
const account = new AccountView(session);
const places = new PlacesView(session, account);
const boards = new BoardsView($("boards"), (boardId) => go({ boardId, number: null }));

const home = board.getAttribute("board") ?? MAIN;
let defined = recall(); // all boards, as the server describes them
let listTimer = null;

/** HTML of an earlier release, which may meet scripts of this one while instances are replaced, has none. */
function putBoard() {
  const made = create("live-scoreboard", { id: "board" });
  for (const [name, value] of [["url", "."], ["level", "1"], ["seasons", ""]]) made.setAttribute(name, value);
  $("everybody").slot = "below";
  made.append($("everybody"));
  document.querySelector("section.board").replaceWith(made);
  return made;
}

/** Show what the address asks for: a board, or with `number` one of its seasons. */
function show({ boardId, number }) {
  [board.board, board.season] = [boardId, number];
  tellBoard();
  loadBoards();
}

/** Go there, so that the address says where, and the way back leads here. */
function go(place) {
  const lang = new URLSearchParams(location.search).get("lang");
  const query = new URLSearchParams(lang === null ? {} : { lang });
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

/** Ask which boards there are. What cannot be read stays as it was. */
async function loadBoards() {
  const list = await session.call("api/boards?limit=1000").catch(() => null);
  if (!list) return;
  keep((defined = list.data.map((each) => ({ ...each, title: titleOf(each, words) }))));
  tellBoard();
}

/** After a season's end, at which the pages of all visitors would ask at one moment. */
function loadBoardsSoon() {
  listTimer ??= setTimeout(() => {
    listTimer = null;
    loadBoards();
  }, LIST_SPREAD_MS * Math.random());
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

const hasSeveral = () => defined.length > 1 || board.board !== home;

const definition = () => defined.find(({ boardId }) => boardId === board.board) ?? null;

/** Tell the element what its board is like, and its title where there are several. */
function tellBoard() {
  board.definition = definition();
  const several = hasSeveral();
  board.heading = several ? (definition()?.title ?? board.board) : null;
  boards.show(defined, board.board, several);
  document.title = several ? `${board.heading} · ${PAGE_TITLE}` : PAGE_TITLE;
}

/** Draw what stands around the board. */
function draw() {
  const { boardId, season, live, size, rows } = board.shown;
  const several = hasSeveral();
  const now = board.client?.board;
  setText($("standing-of"), several ? `${board.heading}${now?.season?.endsAt ? words.text("places.ofSeason", { number: live }) : ""}` : "");
  account.see(boardId, now?.entries ?? [], definition()?.size ?? size);
  places.see({
    boardId,
    title: definition()?.title ?? (boardId === MAIN ? words.text("board.main") : boardId),
    direction: now?.direction ?? "high",
    season,
    live,
    rows,
  });
}

function showState() {
  globalThis.scoreboard = board.client; // what the tests and the curious look at
  setText($("state"), board.stateText);
  $("state").parentElement.dataset.status = board.client?.state.status ?? "connecting";
}

session.addEventListener("change", () => {
  board.userId = session.user?.userId;
  board.refresh();
  loadBoards();
});
// No token while it cannot be renewed: a board that is open to all needs none.
board.getToken = (rejected) => session.token(rejected).catch(() => null);
board.userId = session.user?.userId;
board.words = catalogue; // an operator may have replaced some
for (const type of ["board", "shown"]) board.addEventListener(type, draw);
board.addEventListener("state", showState);
board.addEventListener("season:chosen", ({ detail }) => go(detail));
for (const type of ["season:started", "season:ended"]) board.addEventListener(type, loadBoardsSoon);
addEventListener("popstate", () => show(asked()));
show(asked());
setInterval(() => document.hidden || loadBoards(), LIST_REFRESH_MS);
