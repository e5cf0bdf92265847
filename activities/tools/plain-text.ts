// What a terminal would show in the end, as lines of text: without colours and the other orders to a terminal, and of a
// line that was drawn again and again only its last state. In time that grows with the length, whatever is printed.

// ECMA-48: control sequences, then strings with their terminator, then everything else that begins with escape.
const escape = '\u{1b}';
const terminalOrders = new RegExp(
  [
    `(?:${escape}\\[|\u{9b})[0-?]*[ -/]*[@-~]`,
    `${escape}[\\]PX^_][^\u{7}${escape}]*(?:\u{7}|${escape}\\\\)`,
    `${escape}[ -/]*[0-~]`,
  ].join('|'),
  'g',
);
// Bells, shifts and the like; tabs, line ends and page ends are text.
const otherControls = /[\p{Cc}--[\t\n\v\f\u0080-\u009f]]/gv;

export function toPlainText(text: string): string {
  const withoutOrders = text.replace(terminalOrders, '');
  const drawn = /[\r\b]/.test(withoutOrders)
    ? withoutOrders.split('\n').map(lastState).join('\n')
    : withoutOrders;
  return drawn.replace(otherControls, '');
}

/** A carriage return at the end of a line draws nothing: it is half of a line end. */
function lastState(line: string): string {
  const states = line.split('\r');
  return withoutErased(states.findLast((state) => state !== '') ?? '');
}

/** A backspace takes the letter before it; spinners turn by it. */
function withoutErased(line: string): string {
  if (!line.includes('\b')) return line;
  const kept: string[] = [];
  for (const letter of line) {
    if (letter === '\b') kept.pop();
    else kept.push(letter);
  }
  return kept.join('');
}
