/** The element alone, for a frame on another site or an overlay of a stream; the address says how it looks. */

import "./live-scoreboard.js";

const TEXTS = ["size", "season", "theme"]; // its language is that of the page
const SWITCHES = ["lamp", "seasons", "fill"]; // `lamp=0` as if it was not there

const shown = document.getElementById("board");
const query = new URLSearchParams(location.search);
for (const name of TEXTS.filter((each) => query.has(each))) shown.setAttribute(name, query.get(name));
// No other text as an id, and no other title: a board that is unknown has its id for a title, and a link could put words
// in the service's mouth.
if (/^[a-z0-9-]{1,50}$/.test(query.get("board") ?? "")) shown.setAttribute("board", query.get("board"));
for (const name of SWITCHES) shown.toggleAttribute(name, query.has(name) && query.get(name) !== "0");
if (query.get("title") === "0") shown.heading = "";
shown.words = JSON.parse(document.getElementById("words").textContent);
