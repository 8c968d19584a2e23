/** The elements of the page: found by their ids, and written to only if they say something else. */

export const $ = (id) => document.getElementById(id);

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
