/** The element, as TypeScript and React see it. It is compiled and never run. */

import { LiveScoreboard, Words } from "scoreboard-client/element";
import "scoreboard-client/react";

const found = document.querySelector("live-scoreboard");
found?.addEventListener("board", ({ detail }) => detail.entries.map(({ username }) => username));
export const size: number | null | undefined = found?.size;
export const made: LiveScoreboard = document.createElement("live-scoreboard");
export const text: string = new Words("de", { hello: "Hallo" }).text("hello");

export const wanted = <live-scoreboard board="weekly" url="https://scores.example.org" size={3} theme="dark" lamp />;
// @ts-expect-error there is no such theme
export const wrong = <live-scoreboard theme="loud" />;
