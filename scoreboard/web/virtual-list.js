/** A list of any length, of which only the rows in sight are in the document. To screen readers it is a grid
 *  that says how many rows there are, and which one this is. */

import { ScrollMap } from "./scroll-map.js";

const OVERSCAN = 6; // rows that are drawn above and below those in sight
const SETTLE_MS = 150;

export class VirtualList {
  #grid;
  #body;
  #listener;
  #rows = new Map(); // by index: what `makeRow` made
  #count = 0;
  #rowPx = 0;
  #map = new ScrollMap(0, 1, 1);
  #top = 0; // where the list stands, in px of its own height
  #realTop = 0; // where the scroll bar stands, as far as we know
  #active = 0; // the row at which Tab comes in
  #settleTimer;
  #resizes = new ResizeObserver(() => this.#measure());

  /** `listener` has makeRow(), which returns something with `element`; draw(row, index); onSeen(first, last)
   *  when other rows are in sight; onKey(event, row) for keys that move nothing. */
  constructor(grid, listener) {
    [this.#grid, this.#listener] = [grid, listener];
    this.#body = document.createElement("div");
    this.#body.role = "presentation";
    this.#body.className = "place-rows";
    grid.replaceChildren(this.#body);
    grid.addEventListener("scroll", () => this.#onScroll(), { passive: true });
    grid.addEventListener("keydown", (event) => this.#onKey(event));
    grid.addEventListener("focusin", ({ target }) => this.#activate(this.#indexOf(target)));
    this.#resizes.observe(grid);
  }

  /** How many rows there are. `isKnown`: whether that is all. */
  setCount(count, isKnown = true) {
    this.#grid.ariaRowCount = String(isKnown ? count : -1);
    if (count === this.#count) return;
    this.#count = count;
    this.#active = Math.max(0, Math.min(this.#active, count - 1));
    this.#measure();
  }

  /** Draw what is known by now. */
  draw() {
    const { first, last } = this.#range();
    for (const [index, row] of this.#rows) {
      const isNeeded = index >= first && index <= last;
      const hasFocus = row.element.contains(document.activeElement); // it is not taken away from under somebody
      if (index < this.#count && (isNeeded || hasFocus)) continue;
      this.#rows.delete(index);
      row.element.remove();
    }
    for (let index = first; index <= last; index += 1) if (!this.#rows.has(index)) this.#add(index);
    for (const [index, row] of this.#rows) {
      row.element.style.transform = `translateY(${this.#realTop + index * this.#rowPx - this.#top}px)`;
      row.element.ariaRowIndex = String(index + 1);
      row.element.tabIndex = index === this.#active ? 0 : -1;
      row.canTab = index === this.#active;
      this.#listener.draw(row, index);
    }
  }

  /** The indexes of the rows in sight. */
  get seen() {
    const viewPx = this.#grid.clientHeight;
    const first = Math.floor(this.#top / this.#rowPx) || 0;
    return { first, last: Math.min(this.#count - 1, Math.ceil((this.#top + viewPx) / this.#rowPx) - 1) };
  }

  /** Scroll until that row is in sight: `where` is `nearest` or `center`. */
  reveal(index, where = "nearest") {
    const viewPx = this.#grid.clientHeight;
    const top = index * this.#rowPx;
    const isAbove = top < this.#top;
    const isBelow = top + this.#rowPx > this.#top + viewPx;
    if (where === "center") this.#moveTo(top - (viewPx - this.#rowPx) / 2);
    else if (isAbove) this.#moveTo(top);
    else if (isBelow) this.#moveTo(top + this.#rowPx - viewPx);
  }

  /** Go to a row, and let it have the focus. */
  focus(index, where) {
    this.#active = Math.max(0, Math.min(index, this.#count - 1));
    this.reveal(this.#active, where);
    this.draw();
    this.#rows.get(this.#active)?.element.focus({ preventScroll: true });
  }

  /** The row that has the focus, `{index, row}`, or null. */
  get focused() {
    const row = this.#rows.get(this.#active);
    return row?.element.contains(document.activeElement) ? { index: this.#active, row } : null;
  }

  /** What was at `from` is at `to` by now: the focus goes along. */
  follow(from, to) {
    const [row, other] = [this.#rows.get(from), this.#rows.get(to)];
    this.#active = to;
    this.#rows.set(to, row);
    if (other) this.#rows.set(from, other);
    else this.#rows.delete(from);
    // The document has the order of the list, and a row that is taken out of it loses the focus.
    const inOrder = [...this.#rows.keys()].sort((one, another) => one - another);
    for (const index of inOrder) {
      const { element } = this.#rows.get(index);
      if (index < to) this.#body.insertBefore(element, row.element);
      else if (index > to) this.#body.append(element);
    }
  }

  end() {
    clearTimeout(this.#settleTimer);
    this.#resizes.disconnect();
  }

  #add(index) {
    const row = this.#listener.makeRow();
    row.element.role = "row";
    this.#rows.set(index, row);
    // In the order of the list, without moving a row that has the focus.
    const later = [...this.#rows.keys()].filter((other) => other > index);
    const next = later.length ? this.#rows.get(Math.min(...later)).element : null;
    this.#body.insertBefore(row.element, next);
  }

  #range() {
    const { first, last } = this.seen;
    return { first: Math.max(0, first - OVERSCAN), last: Math.min(this.#count - 1, last + OVERSCAN) };
  }

  #measure() {
    const viewPx = this.#grid.clientHeight;
    if (!this.#count || !viewPx) return this.draw();
    const row = this.#listener.makeRow().element;
    this.#body.append(row);
    const rowPx = row.offsetHeight;
    row.remove();
    const top = this.#rowPx ? (this.#top / this.#rowPx) * rowPx : 0;
    this.#rowPx = rowPx;
    this.#map = new ScrollMap(this.#count, rowPx, viewPx);
    this.#body.style.height = `${this.#map.height}px`;
    this.#moveTo(top);
  }

  #moveTo(virtualPx) {
    this.#top = this.#map.clamp(virtualPx);
    this.#grid.scrollTop = this.#map.toReal(this.#top);
    this.#realTop = this.#grid.scrollTop; // browsers round it
    this.#show();
  }

  /** A wheel or a finger moves the list by as much as it says, which in a long list is much less than a pixel of
   *  the scroll bar; that is put right when all is still. Whoever draws the bar goes to where it stands. */
  #onScroll() {
    const real = this.#grid.scrollTop;
    const by = real - this.#realTop;
    if (Math.abs(by) < 1) return;
    const isSmall = Math.abs(by) <= 2 * this.#grid.clientHeight;
    this.#realTop = real;
    this.#top = isSmall ? this.#map.clamp(this.#top + by) : this.#map.toVirtual(real);
    this.#show();
  }

  #show() {
    this.draw();
    clearTimeout(this.#settleTimer);
    this.#settleTimer = setTimeout(() => this.#settle(), SETTLE_MS);
  }

  #settle() {
    const real = this.#map.toReal(this.#top);
    if (Math.abs(real - this.#realTop) > 1) {
      this.#grid.scrollTop = real;
      this.#realTop = this.#grid.scrollTop;
      this.draw();
    }
    const { first, last } = this.seen;
    this.#listener.onSeen(first, last);
  }

  #onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { first, last } = this.seen;
    const page = Math.max(1, last - first - 1);
    const to = {
      ArrowDown: this.#active + 1,
      ArrowUp: this.#active - 1,
      PageDown: this.#active + page,
      PageUp: this.#active - page,
      Home: 0,
      End: this.#count - 1,
    }[event.key];
    if (to === undefined) return this.#listener.onKey(event, this.#rows.get(this.#active));
    event.preventDefault();
    this.focus(to);
  }

  #activate(index) {
    if (index === null || index === this.#active) return;
    this.#active = index;
    this.draw();
  }

  #indexOf(target) {
    for (const [index, { element }] of this.#rows) if (element.contains(target)) return index;
    return null;
  }
}
