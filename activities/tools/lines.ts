// Files as lines. Tools hold text as latin1, one character a byte, so that a file in any encoding keeps every byte that
// a change does not touch.

export type LineEnd = '\n' | '\r\n' | '';

export interface Line {
  text: string;
  /** Empty: the last line of a file that does not end with one. */
  end: LineEnd;
}

/** The byte order mark of UTF-8, as latin1. */
export const byteOrderMark = '\u00ef\u00bb\u00bf';

export function toLines(content: string): Line[] {
  const lines: Line[] = [];
  for (let start = 0; start < content.length; ) {
    const at = content.indexOf('\n', start);
    if (at < 0) return [...lines, { text: content.slice(start), end: '' }];
    const isCrlf = at > start && content[at - 1] === '\r';
    lines.push({ text: content.slice(start, isCrlf ? at - 1 : at), end: isCrlf ? '\r\n' : '\n' });
    start = at + 1;
  }
  return lines;
}

export interface TextForm {
  crlf: number;
  lf: number;
  hasMark: boolean;
  /** UTF-16 has a mark of its own at its start; `binary` holds a NUL. */
  encoding: 'utf-8' | 'utf-16le' | 'utf-16be' | 'binary';
}

// Enough to meet the NUL of any common binary format.
const sniffedBytes = 8192;

export function formOf(bytes: Buffer): TextForm {
  const content = bytes.toString('latin1');
  const crlf = content.split('\r\n').length - 1;
  const lf = content.split('\n').length - 1 - crlf;
  return { crlf, lf, hasMark: content.startsWith(byteOrderMark), encoding: encodingOf(bytes) };
}

function encodingOf(bytes: Buffer): TextForm['encoding'] {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le';
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return 'utf-16be';
  return bytes.subarray(0, sniffedBytes).includes(0) ? 'binary' : 'utf-8';
}

/** The line end a file has most of, where it has any. */
export function usualEnd({ crlf, lf }: TextForm): '\n' | '\r\n' | undefined {
  if (crlf === 0 && lf === 0) return undefined;
  return crlf > lf ? '\r\n' : '\n';
}

/** What is wrong with changing a passage of it, or undefined. */
export function changeProblem(path: string, bytes: Buffer): string | undefined {
  const { encoding } = formOf(bytes);
  // A file that only holds a NUL is changed on its bytes.
  if (encoding === 'utf-8' || encoding === 'binary') return undefined;
  return `\`${path}\` is ${encoding.toUpperCase()}; write it whole, or convert it to UTF-8 with a command first.`;
}

export function toLatin1(text: string): string {
  return Buffer.from(text).toString('latin1');
}
