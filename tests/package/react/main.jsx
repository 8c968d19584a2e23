/** A small app as somebody might write it: two boards to choose from, and the place of the board can be closed. */

import { StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";
import { useScoreboard } from "scoreboard-client/react";
import "scoreboard-client/element";

const url = new URLSearchParams(location.search).get("url") ?? "/api/leaderboard";

function Board({ board }) {
  const { board: shown, state, client } = useScoreboard({ url, board, getToken: () => null });
  window.client = client; // for the test
  return (
    <section>
      <p role="status">{state.status}</p>
      <h1>{shown?.boardId ?? "–"}</h1>
      <ol>
        {shown?.entries.map(({ userId, username, score }) => (
          <li key={userId}>
            {username} {score}
          </li>
        ))}
      </ol>
    </section>
  );
}

function App() {
  const [board, choose] = useState("main");
  const [isOpen, open] = useState(true);
  const [renders, render] = useState(0);
  const [hasElement, show] = useState(false);
  return (
    <main>
      <button onClick={() => choose("weekly")}>Weekly</button>
      <button onClick={() => open(!isOpen)}>Open or close</button>
      <button onClick={() => render(renders + 1)}>Render {renders}</button>
      <button onClick={() => show(!hasElement)}>Element</button>
      {hasElement && <live-scoreboard url={url} board={board} size={1} lang="de" />}
      {isOpen && <Board board={board} />}
    </main>
  );
}

createRoot(document.getElementById("app")).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
