/** The element alone, for a frame on another site or an overlay of a stream; the address says how it looks. */

import "./live-scoreboard.js";

const TEXTS = ["board", "size", "season", "lang", "theme"];
const SWITCHES = ["lamp", "seasons", "fill"]; // `lamp=0` as if it was not there

const board = document.getElementById("board");
const query = new URLSearchParams(location.search);
for (const name of TEXTS.filter((each) => query.has(each))) board.setAttribute(name, query.get(name));
for (const name of SWITCHES) board.toggleAttribute(name, query.has(name) && query.get(name) !== "0");
if (query.get("title") === "0") board.heading = ""; // no other one: a link could put words in the service's mouth
if (!query.has("lang")) board.lang = navigator.language;
document.documentElement.lang = board.lang;
