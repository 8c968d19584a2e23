/** Where a list of any length is scrolled to. Browsers draw no element higher than some millions of pixels, so
 *  a longer list has a scroll height of less than its own, and the two are translated into each other. */

const HEIGHT_MAX_PX = 8_000_000; // Firefox has the least room: 17.8 million
const EDGE_PX = 100_000; // at either end, where a pixel of the one is a pixel of the other

export class ScrollMap {
  /** The height of what is scrolled. */
  height;
  #virtualEnd; // the last position of the list, and of the scroll bar
  #realEnd;

  /** Of a list of `rows` rows of `rowPx`, in a window of `viewPx`. */
  constructor(rows, rowPx, viewPx) {
    const wholePx = rows * rowPx;
    this.height = Math.min(wholePx, HEIGHT_MAX_PX);
    this.#virtualEnd = Math.max(0, wholePx - viewPx);
    this.#realEnd = Math.max(0, this.height - viewPx);
  }

  clamp(virtualPx) {
    return Math.min(Math.max(virtualPx, 0), this.#virtualEnd);
  }

  /** Where the scroll bar stands when the list stands there. */
  toReal(virtualPx) {
    if (this.#virtualEnd === this.#realEnd || virtualPx <= EDGE_PX) return virtualPx;
    if (virtualPx >= this.#virtualEnd - EDGE_PX) return this.#realEnd - (this.#virtualEnd - virtualPx);
    return EDGE_PX + (virtualPx - EDGE_PX) * this.#ratio;
  }

  /** The other way around. */
  toVirtual(realPx) {
    if (this.#virtualEnd === this.#realEnd || realPx <= EDGE_PX) return this.clamp(realPx);
    if (realPx >= this.#realEnd - EDGE_PX) return this.clamp(this.#virtualEnd - (this.#realEnd - realPx));
    return EDGE_PX + (realPx - EDGE_PX) / this.#ratio;
  }

  get #ratio() {
    return (this.#realEnd - 2 * EDGE_PX) / (this.#virtualEnd - 2 * EDGE_PX);
  }
}
