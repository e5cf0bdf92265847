// Text of models, tools and people as a terminal may show it: nothing in it can move the cursor, change colours,
// reorder what is read or hide.
import { stripVTControlCharacters } from 'node:util';
import { hiddenCharacters } from '../../../workflows/contracts/hidden-characters.ts';

export function printable(text: string): string {
  return stripVTControlCharacters(text).replace(/\r\n?/g, '\n').replace(hiddenCharacters, '');
}

/** A value as JSON on one line, in escapes that JSON itself has where a character would hide. */
export function exactJson(value: unknown): string {
  const escaped = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return JSON.stringify(value).replace(hiddenCharacters, (character) =>
    character.split('').map(escaped).join(''),
  );
}

/** Printable text on one line of at most `width` characters. */
export function printableLine(text: string, width: number): string {
  const line = printable(text).replace(/\s+/g, ' ').trim();
  const characters = Array.from(line.slice(0, width * 2 + 2));
  return characters.length <= width ? line : `${characters.slice(0, width - 1).join('')}…`;
}
