import { createElement } from "react";
import { renderToString } from "react-dom/server";
import { useScoreboard } from "scoreboard-client/react";

function Board() {
  const { board, state } = useScoreboard();
  return createElement("p", null, `${state.status} ${board}`);
}

console.log(renderToString(createElement(Board)));
