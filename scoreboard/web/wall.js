/** A screen in a hall, with the way to join. `#wall` in the address shows it without a click, for kiosks. */

import { $ } from "./elements.js";
import { words } from "./words.js";

const root = document.documentElement;
const REVEAL_MS = 3_000;
let wakeLock = null;
let revealTimer;

function setWall(on) {
  root.classList.toggle("wall", on);
  $("board")?.toggleAttribute("fill", on);
  $("screen-label").textContent = words.text(on ? "screen.leave" : "screen.full");
  if (on) showCode();
  if (on) keepAwake();
  else wakeLock?.release();
}

/** What phones in the hall read: the address of this board. */
function showCode() {
  const board = new URLSearchParams(location.search).get("board");
  const source = `join.svg${board ? `?board=${encodeURIComponent(board)}` : ""}`;
  if ($("code").getAttribute("src") !== source) $("code").src = source;
}

/** Where the code leads: to the address that the operator has set (`public_url`), else to this one. */
function address() {
  const set = document.querySelector('meta[property="og:url"]')?.content;
  const { host, pathname } = new URL(set ?? location.href);
  return host + pathname.replace(/\/$/, "");
}

async function keepAwake() {
  // Refused on plain HTTP, on low battery and in hidden tabs: then the screen may turn dark.
  wakeLock = await navigator.wakeLock?.request("screen").catch(() => null);
  if (!root.classList.contains("wall")) wakeLock?.release(); // the wall was left meanwhile
}

function leaveWall() {
  if (location.hash === "#wall") history.replaceState(null, "", location.pathname + location.search);
  if (document.fullscreenElement) document.exitFullscreen();
  else setWall(false);
}

/** Show pointer and button for a moment, because somebody moved or touched. */
function reveal() {
  root.classList.add("revealed");
  clearTimeout(revealTimer);
  revealTimer = setTimeout(() => root.classList.remove("revealed"), REVEAL_MS);
}

$("code").addEventListener("load", () => ($("code").hidden = false));
$("code").addEventListener("error", () => ($("code").hidden = true)); // the address stands beside it
const wanted = () => Boolean(document.fullscreenElement) || location.hash === "#wall";
$("join").textContent = address();
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
for (const type of ["hashchange", "popstate"]) addEventListener(type, () => setWall(wanted()));
setWall(wanted());
