/** What is asked and heard of one board. */

import { makeBoard, makeEnded } from "./board.js";

export class BoardSource {
  #server;
  #boardId;
  #listener;

  /** `listener` has currentBoard(), onBoard(board) and onEnded(ended). */
  constructor(boardId, server, listener) {
    [this.#boardId, this.#server, this.#listener] = [boardId, server, listener];
  }

  /** The address of the stream. */
  get stream() {
    return this.#server.addresses.stream;
  }

  hear(name, document, id) {
    if (name === "season:ended") {
      const ended = makeEnded({ ...document, entries: document?.topUsers });
      if (ended?.boardId === this.#boardId) this.#listener.onEnded(ended);
    }
    if (name !== "score:update") return undefined;
    const board = makeBoard({ ...document, version: id, entries: document?.topUsers });
    return board ? this.#take(board) : undefined;
  }

  /** Ask for a board newer than the one at hand. */
  async ask(get) {
    const board = this.#listener.currentBoard();
    const response = await get(this.#server.addresses.board, board ? { "If-None-Match": `"${board.version}"` } : {});
    if (!response.ok) return true; // unchanged, or a refusal, which was judged
    const document = await response.json();
    return this.#take(makeBoard({ ...document, entries: document.data }));
  }

  /** An answer of another board than the one asked for is not shown. */
  #take(board) {
    const isAsked = board?.boardId === this.#boardId;
    if (isAsked) this.#listener.onBoard(board);
    return isAsked;
  }
}
