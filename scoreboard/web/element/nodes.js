/** Makes elements and writes to them. Never by HTML: a page's policy may forbid that (Trusted Types), and names are
 *  strangers' text. */

export const NOTHING_YET = "\u00a0"; // of the height of a line

export function make(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  const { part, role, ...others } = properties;
  if (part) made.setAttribute("part", part);
  if (role) made.setAttribute("role", role);
  Object.assign(made, others);
  made.append(...children);
  return made;
}

/** Write only what is new: a text that is written again is said again. */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** A name in a sentence, without the signs that turn text around. */
export const plainName = (name) => name.replace(/[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "");
