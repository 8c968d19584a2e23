/** The bar at the bottom of a narrow page, where the card of one's own stands below the board: it leads to either, and
 *  says which one is in sight. */

import { $ } from "./elements.js";

const bar = $("bar");

/** Go there, and leave the address as it is: it says what the board shows. */
bar.addEventListener("click", (event) => {
  const target = $(event.target.closest("a")?.hash.slice(1));
  if (!target) return;
  event.preventDefault();
  target.scrollIntoView({ block: "start" });
  target.focus({ preventScroll: true });
});

// Which one the middle of the window shows.
const observer = new IntersectionObserver(([{ isIntersecting }]) => mark(isIntersecting), { rootMargin: "-50% 0px" });
observer.observe($("you"));

function mark(isYou) {
  $("to-you").ariaCurrent = isYou ? "true" : null;
  $("to-board").ariaCurrent = isYou ? null : "true";
}
