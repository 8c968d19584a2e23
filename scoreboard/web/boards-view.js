/** The choice of boards: links while there are few of them, else a list. */

import { words } from "./words.js";

const LINKS_MAX = 8;

export class BoardsView {
  #nav;
  #onChosen;
  #boards = null;
  #current = null;
  #drawn = "";

  constructor(nav, onChosen) {
    this.#nav = nav;
    this.#onChosen = onChosen;
  }

  /** Show these boards, `{boardId, title, closedAt}`, if there are several; their room, until they are known. */
  show(boards, current, several) {
    if (boards === this.#boards && current === this.#current) return;
    [this.#boards, this.#current] = [boards, current];
    const isKnown = boards.some(({ boardId }) => boardId === current);
    this.#nav.hidden = !several;
    const isList = boards.length > LINKS_MAX;
    // Somebody may be choosing: nothing is drawn anew without need.
    const asDrawn = JSON.stringify(boards.map(({ boardId, title, closedAt }) => [boardId, title, closedAt]));
    if (asDrawn !== this.#drawn) {
      this.#drawn = asDrawn;
      const focused = this.#nav.contains(document.activeElement) && document.activeElement.dataset.board;
      this.#nav.replaceChildren(isList ? this.#list(boards) : this.#links(boards));
      if (focused !== false) this.#nav.querySelector(`[data-board="${focused}"], select`)?.focus();
    }
    if (isList) this.#nav.querySelector("select").value = isKnown ? current : "";
    for (const link of this.#nav.querySelectorAll("a")) markLink(link, link.dataset.board === current);
  }

  #links(boards) {
    const list = document.createElement("ul");
    list.role = "list";
    list.append(...boards.map((board) => {
      const item = document.createElement("li");
      const link = document.createElement("a");
      link.href = `?board=${board.boardId}`;
      link.dataset.board = board.boardId;
      link.textContent = name(board);
      link.addEventListener("click", (event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
        event.preventDefault();
        this.#onChosen(board.boardId);
      });
      item.append(link);
      return item;
    }));
    return list;
  }

  #list(boards) {
    const label = document.createElement("label");
    const select = document.createElement("select");
    select.append(...boards.map((board) => new Option(name(board), board.boardId)));
    select.addEventListener("change", () => this.#onChosen(select.value));
    label.append(words.text("board"), " ", select);
    return label;
  }
}

function markLink(link, isCurrent) {
  if (isCurrent === (link.ariaCurrent === "page")) return;
  link.ariaCurrent = isCurrent ? "page" : null;
  const list = link.closest("ul");
  if (isCurrent) list.scrollLeft = link.offsetLeft - (list.clientWidth - link.offsetWidth) / 2; // on a small screen
}

function name({ title, closedAt }) {
  return closedAt ? words.text("board.closed", { title }) : title;
}
