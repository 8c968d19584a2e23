/** Which season is shown: how long it still lasts, or that it has ended and who won. */

import { ordinal, pointsInWords } from "./board-view.js";
import { $, setText } from "./elements.js";
import { seasonName } from "./season-list.js";

const NOTHING_YET = "\u00a0"; // of the height of a line
const COUNTS = { listed: "Only some actions count here.", results: "Actions do not count here." };
const UNITS = [["d", 86_400], ["h", 3_600], ["min", 60], ["s", 1]];

const inFull = new Intl.DateTimeFormat("en", { dateStyle: "full", timeStyle: "short", hourCycle: "h23" });
const local = (time) => inFull.format(Date.parse(time)); // as the visitor's clock shows it

export class SeasonView {
  /** `onBack()`: somebody wants to go on to the live board. */
  constructor(onBack) {
    $("end-go").addEventListener("click", onBack);
  }

  /** Above the live board: its season or null, the next one or null, the server's time in ms. `isAwaited`: a
   *  season is to be expected, and has its room already. */
  showLive({ definition, season, upcoming, nowMs, isAwaited }) {
    const { text, until } = isAwaited ? { text: NOTHING_YET } : sentence(definition, season, upcoming, nowMs);
    showLine(definition, text, until, nowMs);
    // The button goes away: whoever had come to it is not sent to the top of the page.
    if ($("end").contains(document.activeElement)) $("board-title").focus({ preventScroll: true });
    $("end").hidden = true;
    setText($("end-text"), "");
  }

  /** Above a final board, `{season, entries}`, whose entries are null until they are there, and for good with
   *  `isMissing`. `heldSeconds` says how long it stays in sight by itself: Infinity where somebody chose it. */
  showFinal({ definition, final, season, heldSeconds, userId }) {
    const isHeld = Number.isFinite(heldSeconds);
    const text = isHeld ? announcement(final, definition, userId) : description(final);
    showLine(definition, final.season.startsAt ? seasonName(final.season, definition?.zone) : NOTHING_YET);
    setText($("end-text"), text);
    const isNew = season?.number > final.season.number;
    setText($("end-go"), isHeld && isNew ? `Go to season ${season.number}` : backTo(season));
    setText($("end-left"), isHeld ? `in ${heldSeconds} s` : "");
    $("end").hidden = false;
  }
}

const backTo = (season) => (season && season.state !== "running" ? "Go back to the board" : "Go to the live board");

function showLine(definition, text, until, nowMs) {
  setText($("season-text"), text);
  setText($("season-left"), until ? duration(Math.ceil((Date.parse(until) - nowMs) / 1000)) : "");
  $("season-left").dateTime = until ?? "";
  $("season-left").title = until ? local(until) : "";
  const { direction, counts } = definition ?? {};
  const rules = [direction === "low" && "The lowest score wins.", COUNTS[counts]].filter(Boolean);
  setText($("rule"), rules.join(" "));
  $("rule").hidden = !rules.length;
}

/** What to say of a live board, and the time that it counts down to. The time decides, also while no
 *  server can be asked. */
function sentence(definition, season, upcoming, nowMs) {
  const isDue = (time) => Date.parse(time) <= nowMs;
  const name = season?.endsAt ? seasonName(season, definition?.zone) : "";
  const isRunning = season?.state === "running" && !(name && isDue(season.endsAt));
  if (isRunning && name) return { text: `${name}, ends\u00a0in`, until: season.endsAt };
  if (definition?.closedAt) return { text: `${name ? `${name}. ` : ""}This board was closed on ${local(definition.closedAt)}.` };
  const over = season && !isRunning ? `${name || "The season"} has ended. ` : "";
  if (upcoming && isDue(upcoming.startsAt)) return { text: `${over}Season ${upcoming.number} has begun.` };
  if (upcoming) return { text: `${over}Season ${upcoming.number} begins\u00a0in`, until: upcoming.startsAt };
  return { text: over || (definition?.season === null ? "No season has begun." : "") };
}

/** What is said when a season ends before one's eyes. */
function announcement({ season, entries }, definition, userId) {
  const ended = `Season ${season.number} has ended.`;
  if (!entries.length) return `${ended} Nobody scored.`;
  const rank = entries.findIndex((entry) => entry.userId === userId) + 1;
  const isYou = rank === 1;
  const you = rank > 1 ? ` You are ${ordinal(rank)}.` : "";
  const [{ username, score }] = entries;
  const [is, wins] = isYou ? ["are", "win"] : ["is", "wins"];
  const how = definition?.graceSeconds ? `${is} first` : wins; // until late results are in
  return `${ended} ${isYou ? "You" : username} ${how} with ${pointsInWords(score)}.${you}`;
}

function description({ season, entries, isMissing }) {
  if (!entries) return `Season ${season.number} ${isMissing ? "cannot be read now, or there is none." : "is being loaded."}`;
  if (season.state !== "final") return "This season has ended. What was reached before its end may still be recorded.";
  return `Final board, as of ${local(season.endsAt)}.`;
}

/** `2 d 03 h 04 min 05 s`, without the units in front that are 0. */
function duration(seconds) {
  const parts = UNITS.map(([unit, size], index) => {
    const whole = index ? Math.floor((seconds % UNITS[index - 1][1]) / size) : Math.floor(seconds / size);
    return [whole, unit];
  });
  const first = parts.findIndex(([whole]) => whole > 0);
  const shown = parts.slice(first < 0 ? -1 : first);
  return shown.map(([whole, unit], index) => `${index ? `${whole}`.padStart(2, "0") : whole} ${unit}`).join(" ");
}
