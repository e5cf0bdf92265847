// How much room text takes on a terminal, and where its lines break: between words, and never inside of one.
import { stripVTControlCharacters } from 'node:util';

const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' });
// What the tables of Unicode call wide (East Asian Width W and F), in whole blocks.
const wide =
  /^(?:[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6]|[\u{1b000}-\u{1b2ff}\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}|.\ufe0f)/u;
const marks = /^[\p{Mn}\p{Me}\p{Cf}]+$/u;

/** Columns of a terminal; colours take none. */
export function cellsOf(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  let cells = 0;
  for (const { segment } of graphemes.segment(stripVTControlCharacters(text))) {
    if (!marks.test(segment)) cells += wide.test(segment) ? 2 : 1;
  }
  return cells;
}

export function padTo(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - cellsOf(text)));
}

/** Lines of whole words. A word that is longer than a line stands on its own: the terminal breaks it, and copies it whole. */
export function wrapWords(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && cellsOf(line) + 1 + cellsOf(word) > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}

/** Text of several lines; the later parts of a broken line get its indent and `hanging` more. */
export function wrapText(text: string, width: number, hanging = 0): string {
  const wrapLine = (line: string): string => {
    if (cellsOf(line) <= width) return line;
    const [indent] = /^ */.exec(line) ?? [''];
    const later = `${indent}${' '.repeat(hanging)}`;
    const [first = '', ...rest] = wrapWords(line.slice(indent.length), width - later.length);
    return [`${indent}${first}`, ...rest.map((each) => `${later}${each}`)].join('\n');
  };
  return text.split('\n').map(wrapLine).join('\n');
}
