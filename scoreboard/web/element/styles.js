/** How an element looks. A constructed style sheet, which every Content-Security-Policy allows. */

// Each pair of text and ground has a contrast of 4.5 or more.
const LIGHT = `
  --card: var(--scoreboard-card, #fff); --edge: var(--scoreboard-edge, #dedad0);
  --ink: var(--scoreboard-ink, #14171f); --soft: var(--scoreboard-soft, #5a6170);
  --accent: var(--scoreboard-accent, #9a5b00); --tint: var(--scoreboard-tint, #ffb22438);
  --mine: var(--scoreboard-mine, #fff3d6); --up: var(--scoreboard-up, #0a6f3c); --down: var(--scoreboard-down, #a63a2a);
  --live: var(--scoreboard-live, #16a34a); --polling: var(--scoreboard-polling, #d97706);
  --offline: var(--scoreboard-offline, #dc2626);
  --shadow: var(--scoreboard-shadow, 0 1px 2px #14171f0f, 0 12px 32px -16px #14171f33);`;
const DARK = `
  --card: var(--scoreboard-card, #141923); --edge: var(--scoreboard-edge, #262d3a);
  --ink: var(--scoreboard-ink, #f2f4f8); --soft: var(--scoreboard-soft, #9aa5b8);
  --accent: var(--scoreboard-accent, #ffb224); --tint: var(--scoreboard-tint, #ffb22426);
  --mine: var(--scoreboard-mine, #2c2412); --up: var(--scoreboard-up, #4ade80); --down: var(--scoreboard-down, #fb8b7a);
  --live: var(--scoreboard-live, #34d399); --polling: var(--scoreboard-polling, #fbbf24);
  --offline: var(--scoreboard-offline, #f87171);
  --shadow: var(--scoreboard-shadow, 0 0 0 1px #ffffff08, 0 24px 48px -24px #000);`;

const STYLES = `
:host {
  display: block; container-type: inline-size; color-scheme: light dark; text-align: start; ${LIGHT}
  --glow: var(--scoreboard-glow, #ffb224); --on-glow: var(--scoreboard-on-glow, #1c1300);
  --gold: var(--scoreboard-gold, #ffc649); --silver: var(--scoreboard-silver, #cfd6e0);
  --bronze: var(--scoreboard-bronze, #e2a878); --ground: var(--scoreboard-row-ground, var(--card));
  --row: var(--scoreboard-row, 3.5em); --rank: var(--scoreboard-rank, 2.4em); --gap: var(--scoreboard-gap, .9em);
  font-family: var(--scoreboard-font, ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, sans-serif);
}
:host([hidden]) { display: none; }
@media (prefers-color-scheme: dark) { :host { ${DARK} } }
:host([theme="light"]) { color-scheme: light; ${LIGHT} }
:host(:is([theme="dark"], [theme="transparent"])) { color-scheme: dark; ${DARK} }
:host([theme="transparent"]) {
  --card: none; --edge: transparent; --shadow: none; --soft: var(--scoreboard-soft, #e4e9f2);
  --ground: var(--scoreboard-row-ground, #0b0e14b8); --mine: var(--scoreboard-mine, #4a3a10d9);
}
:host([theme="transparent"]) :is(.title, .fresh, .season) { text-shadow: 0 0 .3em #000, 0 1px .2em #000; }
*, ::before, ::after { box-sizing: border-box; }
[hidden] { display: none !important; }
p, ol { margin: 0; padding: 0; }
ol { list-style: none; }
button, select { font: inherit; color: inherit; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }

/* A new row comes in from the side, which must not widen the page. */
.board {
  position: relative; overflow-x: clip; padding: 1.4em .75em .75em; background: var(--card); color: var(--ink);
  border: 1px solid var(--edge); border-radius: var(--scoreboard-radius, 1.1em); box-shadow: var(--shadow);
  font-size: 1em; line-height: 1.5; font-weight: 400;
}
.head { display: flex; flex-wrap: wrap; align-items: baseline; gap: 0 1em; padding: 0 .9em .9em; }
.head:not(:has(> :not([hidden]))) { display: none; }
.title {
  margin-inline-end: auto; font-size: var(--scoreboard-title-size, 1.9em); font-weight: 700; line-height: 1.2;
  letter-spacing: -.03em; overflow-wrap: anywhere;
}
[dir="rtl"] .title { letter-spacing: 0; }
.fresh { color: var(--soft); font-size: .9em; text-align: end; }
.status { display: flex; align-items: center; gap: .5em; font-size: .9em; font-weight: 600; white-space: nowrap; }
.lamp { width: .6em; height: .6em; border-radius: 50%; background: var(--soft); }
[data-status="live"] .lamp { background: var(--live); }
[data-status="polling"] .lamp { background: var(--polling); }
[data-status="offline"] .lamp { background: var(--offline); }

.season {
  display: flex; flex-wrap: wrap; align-items: center; gap: .3em 1em; min-height: 3.05em; padding: 0 .95em .95em;
  color: var(--soft); font-size: .95em;
}
.season:not(:has(:is(label, .rule):not([hidden]))):has(#season-text:empty) { display: none; }
.season time { color: var(--ink); font-weight: 700; font-variant-numeric: tabular-nums; white-space: nowrap; }
.when { margin-inline-end: auto; }
.when:has(#season-text:empty) { display: none; }
.past { display: flex; align-items: center; gap: .5em; min-width: 0; }
select {
  min-width: 0; max-width: 19em; padding: .35em .5em; border: 1px solid var(--edge); border-radius: .6em;
  background: var(--card); text-overflow: ellipsis; field-sizing: content;
}
.end {
  display: flex; flex-wrap: wrap; align-items: center; gap: .5em 1em; margin: 0 .9em .9em; padding: .7em 1em;
  border: 1px solid var(--glow); border-radius: .8em; background: var(--mine);
}
.end:has(#end-text:empty) { margin: 0; padding: 0; border: 0; }
#end-text { flex: 1 1 14em; font-weight: 600; overflow-wrap: anywhere; }
button {
  padding: .4em .8em; border: 1px solid var(--accent); border-radius: .6em; background: none; font-size: .9em;
  font-weight: 600; white-space: nowrap; cursor: pointer;
}
button:hover { background: var(--card); }
#end-left { margin-inline-start: .5em; color: var(--soft); font-size: .9em; font-variant-numeric: tabular-nums; }
#end-left:empty { display: none; }

/* Rows share the columns of the list, so that scores are as wide as the widest. */
.rows {
  display: grid; grid-template-columns: calc(var(--gap) + var(--rank)) minmax(0, 1fr) auto auto;
  grid-auto-rows: var(--row); gap: 2px var(--gap);
}
.row {
  --share: 0; grid-column: 1 / -1; padding: 0 var(--gap); display: grid; grid-template-columns: subgrid;
  column-gap: var(--gap); align-items: center; border-radius: .7em; background: var(--ground); isolation: isolate;
  overflow: hidden;
}
.row > * { grid-row: 1; }
.rank { grid-column: 1; } .name { grid-column: 2; } .move { grid-column: 3; } .score { grid-column: 4; }
/* The bar: a score in proportion to the leader's. It ends before the figures. */
.row::before {
  content: ""; grid-area: 1 / 1 / 2 / 4; align-self: stretch; z-index: -1; border-radius: .55em;
  margin-block: .3em; margin-inline: calc(-1 * var(--gap)) 0;
  background: linear-gradient(90deg, #0000, var(--tint)); transform-origin: left;
  transform: scaleX(var(--share)); transition: transform .7s cubic-bezier(.2, .8, .2, 1);
}
[dir="rtl"] .row::before { background: linear-gradient(270deg, #0000, var(--tint)); transform-origin: right; }
.rank {
  display: grid; place-items: center; width: 2.1em; height: 2.1em; border-radius: 50%;
  color: var(--soft); font-weight: 700; font-variant-numeric: tabular-nums;
}
.row:not(.empty):nth-child(-n + 3) .rank { color: #1d1605; }
.row:not(.empty):nth-child(1) .rank { background: var(--gold); }
.row:not(.empty):nth-child(2) .rank { background: var(--silver); }
.row:not(.empty):nth-child(3) .rank { background: var(--bronze); }
.name {
  display: flex; align-items: center; min-width: 0; font-weight: 600; white-space: nowrap;
  font-size: var(--scoreboard-name-size, 1.08em);
}
/* Cut at its side alone: what hangs below the line of a low row is seen. */
.name bdi { min-width: 0; overflow: hidden; overflow: clip visible; text-overflow: ellipsis; }
.row:nth-child(1) .name { font-size: var(--scoreboard-name-size, 1.25em); font-weight: 700; }
.score {
  min-width: 3.5em; font-size: var(--scoreboard-score-size, 1.15em); font-weight: 700;
  font-variant-numeric: tabular-nums; text-align: end;
}
.row:nth-child(1) .score { font-size: var(--scoreboard-score-size, 1.35em); }
.move {
  justify-self: end; font-size: var(--scoreboard-move-size, .85em); font-weight: 700;
  font-variant-numeric: tabular-nums; white-space: nowrap;
}
.move.up { color: var(--up); }
.move.down { color: var(--down); }
.move.new { padding: .1em .6em; border-radius: 9em; background: var(--glow); color: var(--on-glow); }
.row.mine { background: var(--mine); box-shadow: inset 3px 0 var(--glow); }
[dir="rtl"] .row.mine { box-shadow: inset -3px 0 var(--glow); }
.mine .name::after {
  content: attr(data-you); flex: none; margin-inline-start: .6em; padding: .1em .5em; border-radius: 9em;
  font-size: .7em; font-weight: 700; border: 1px solid var(--accent); color: var(--accent);
}
.empty .name::before {
  content: ""; display: block; width: 46%; height: .6em; border-radius: .3em; background: var(--edge); opacity: .6;
}
.empty:nth-child(3n + 2) .name::before { width: 34%; }
.empty:nth-child(3n) .name::before { width: 40%; }
.rows:not(.waiting) .empty .name::before { width: 1.5em; height: 2px; }
.rows.fresh-start .empty:first-child .name::before { all: unset; content: attr(data-first); color: var(--soft); }
.waiting .empty .name::before { animation: breathe 1.6s ease-in-out infinite alternate; }
@keyframes breathe { to { opacity: .2; } }

@container (max-width: 34em) {
  .board { padding: 1.1em .4em .4em; }
  .head { padding: 0 .6em .7em; }
  .season { min-height: 3.8em; padding: 0 .63em .74em; }
  .when:has(time:not(:empty)) { min-height: 3em; } /* of two lines, however little time is left */
  .end { margin: 0 .4em .7em; padding: .7em .8em; }
  .title { font-size: var(--scoreboard-title-size, 1.5em); }
  .rows { --row: var(--scoreboard-row, 3.1em); --rank: var(--scoreboard-rank, 2.1em); --gap: var(--scoreboard-gap, .55em); }
  .score { min-width: 2.8em; font-size: var(--scoreboard-score-size, 1.05em); }
  .row:nth-child(1) .score { font-size: var(--scoreboard-score-size, 1.2em); }
  /* A score of ten digits stands beneath its name, which else had no room. */
  .long .row:not(.empty) { grid-template-rows: 1fr 1fr; line-height: 1.25; }
  .long .row:not(.empty) .rank { grid-row: 1 / 3; }
  .long .row:not(.empty)::before { grid-area: 1 / 1 / 3 / -1; }
  .long .row:not(.empty) .name { grid-column: 2 / -1; align-self: end; font-size: 1em; }
  .long .row:not(.empty) :is(.move, .score) { grid-row: 2; align-self: start; font-size: .9em; }
  .long .row:not(.empty) .score { grid-column: 2; text-align: start; }
  .long .row:not(.empty) .move { grid-column: 3 / -1; font-size: .75em; }
}
@container (max-width: 20.5em) {
  .mine .name::after { display: none; }
  :is(.score, .row:nth-child(1) .score) { font-size: 1em; }
}

/* It fills its box, and the rows share the height. */
:host([fill]) { height: 100%; min-height: 0; }
:host([fill]) .board { display: flex; flex-direction: column; height: 100%; min-height: 0; }
:host([fill]) .rows { flex: 1; min-height: 0; grid-auto-rows: minmax(0, 1fr); }
:host([fill]) .row { grid-template-rows: minmax(0, 1fr); }
:host([fill]) .past { display: none; }
:host([fill]) .rank { width: auto; height: min(var(--scoreboard-medal, 2.1em), 96%); aspect-ratio: 1; justify-self: center; }

@media (prefers-reduced-motion: reduce) { *, ::before, ::after { animation: none !important; transition: none !important; } }
@media (forced-colors: active) {
  .row.mine { outline: 2px solid Highlight; outline-offset: -2px; }
  .lamp { forced-color-adjust: none; }
}
`;

let sheet = null;

/** The one style sheet of all elements, made when the first one asks. */
export function styleSheet() {
  if (sheet) return sheet;
  sheet = new CSSStyleSheet();
  sheet.replaceSync(STYLES);
  return sheet;
}
