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

/** Where a yes is remembered, for 30 days; hidden where it cannot be. */
export function drawScope(remembers) {
  const places = { '': 'once', run: 'in this run', project: 'in the project', global: 'everywhere' };
  const options = Object.entries(places).map(([value, name]) =>
    Object.assign(make('option', '', name), { value }),
  );
  const scope = Object.assign(make('select', '', ...options), { hidden: remembers === null });
  scope.title = remembers === null ? '' : clean(`Remembered for 30 days: ${remembers}`);
  scope.setAttribute('aria-label', 'Allow it');
  return scope;
}

export function drawDiff(diff, change) {
  const kinds = { '+': 'added', '-': 'removed' };
  for (const line of (change ?? '').split('\n')) diff.append(make('span', kinds[line[0]] ?? '', `${line}\n`));
  diff.hidden = !change;
}
