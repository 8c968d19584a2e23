/** What a board is called. */

// Titles that boards have as they come, until an operator gives them others: every language has its own for these.
const OURS = { main: "All time", daily: "Today", weekly: "This week" };

/** The title of a board, `{boardId, title}`, in the language of these words if it is one of ours. */
export function titleOf({ boardId, title }, words) {
  return title && OURS[boardId] === title ? words.text(`board.${boardId}`) : title;
}
