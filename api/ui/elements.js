// Elements of the page, and text that is safe to put into them.

// What could hide, reorder or move text; set by a script of the server, which goes by the same pattern.
const { hiddenCharacters } = globalThis;

export const element = (id) => document.getElementById(id);

export const clean = (text) => String(text ?? '').replace(hiddenCharacters, '');

/** For text that a person decides on, who has to see such characters. */
export const exact = (text) =>
  text.replace(hiddenCharacters, (found) => `\\u{${found.codePointAt(0).toString(16)}}`);

export function make(tag, className, ...children) {
  const made = Object.assign(document.createElement(tag), { className });
  made.append(...children.map((child) => (child instanceof Node ? child : clean(child))));
  return made;
}
