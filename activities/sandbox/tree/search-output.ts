// Reads what ripgrep writes with `--json`, in bounded memory, and shows a long line around its first match.

export interface MatchedLine {
  path: string;
  line: number;
  text: string;
  /** The bytes of the line, its end too, and where they begin; undefined of a line of megabytes. */
  whole: Buffer | undefined;
  at: number;
}

// What a model reads of one line; a minified file has lines of megabytes.
const maxTextBytes = 500;
// A longer object is of a line that no reader wants: its middle is dropped, and with it the text.
const maxObjectBytes = 4 * 1024 * 1024;
// The path is within that from the start.
const keptHeadBytes = 32 * 1024;
// Longer than what names the number of a line, which may be cut by the end of a chunk.
const keptTailBytes = 64;

interface Data {
  text?: string;
  /** Base64 of what is not UTF-8. */
  bytes?: string;
}

interface Match {
  type: string;
  data: {
    path: Data;
    lines: Data;
    line_number: number | null;
    absolute_offset: number;
    submatches: { start: number; end: number }[];
  };
}

/** Takes bytes as they come and calls `onLine` for each line that matches. */
export function matchReader(onLine: (line: MatchedLine) => void): (bytes: Buffer) => void {
  let parts: Buffer[] = [];
  let size = 0;
  let dropped = '';
  let number: string | undefined;
  const take = (bytes: Buffer): void => {
    size += bytes.length;
    if (size <= maxObjectBytes) {
      parts.push(bytes);
      return;
    }
    // Inside of a text each quote has a backslash before it.
    dropped = dropped.slice(-keptTailBytes) + bytes.toString('latin1');
    number ??= /"\},"line_number":(\d+),/.exec(dropped)?.[1];
  };
  return (bytes) => {
    let start = 0;
    for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, start)) {
      take(bytes.subarray(start, at));
      const object = Buffer.concat(parts);
      const found = size > maxObjectBytes ? ofTooLong(object, number) : ofObject(object);
      if (found !== undefined) onLine(found);
      [parts, size, dropped, number, start] = [[], 0, '', undefined, at + 1];
    }
    take(bytes.subarray(start));
  };
}

function ofObject(object: Buffer): MatchedLine | undefined {
  const { type, data } = JSON.parse(object.toString('utf8')) as Match;
  if (type !== 'match') return undefined;
  const text = toBytes(data.lines);
  const line = text.subarray(
    0,
    text.length - (/\r?\n$/.exec(text.subarray(-2).toString('latin1'))?.[0].length ?? 0),
  );
  const [first = { start: 0, end: 0 }] = data.submatches;
  return {
    path: toBytes(data.path).toString('utf8'),
    line: data.line_number ?? 1,
    text: around(line, first.start, first.end),
    whole: text,
    at: data.absolute_offset,
  };
}

function ofTooLong(head: Buffer, number: string | undefined): MatchedLine | undefined {
  const start = head.toString('utf8', 0, keptHeadBytes);
  const path = /^\{"type":"match","data":\{"path":(\{.*?\}),"lines":/.exec(start)?.[1];
  if (path === undefined || number === undefined) return undefined;
  const name = toBytes(JSON.parse(path) as Data).toString('utf8');
  const text = '[a line of megabytes, not shown]';
  return { path: name, line: Number(number), text, whole: undefined, at: 0 };
}

function toBytes({ text, bytes }: Data): Buffer {
  return text === undefined ? Buffer.from(bytes ?? '', 'base64') : Buffer.from(text);
}

/** The whole of a short line; of a long one what is around the match, with a mark where something is left out. */
function around(line: Buffer, start: number, end: number): string {
  if (line.length <= maxTextBytes) return line.toString('utf8');
  const room = Math.max(0, maxTextBytes - (end - start));
  const from = toBoundary(
    line,
    Math.max(0, Math.min(start - Math.floor(room / 2), line.length - maxTextBytes)),
  );
  const to = toBoundary(line, Math.min(line.length, from + maxTextBytes));
  return `${from > 0 ? '…' : ''}${line.toString('utf8', from, to)}${to < line.length ? '…' : ''}`;
}

/** The start of the character at this byte. */
function toBoundary(line: Buffer, at: number): number {
  let place = at;
  while (place > 0 && at - place < 3 && ((line[place] ?? 0) & 0xc0) === 0x80) place -= 1;
  return place;
}
