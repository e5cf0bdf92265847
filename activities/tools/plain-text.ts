// What a terminal would show in the end, as lines of text: without colours and the other orders to a terminal, and of a
// line that was drawn again and again only its last state. In time that grows with the length, whatever is printed.

// ECMA-48: control sequences, then strings with their terminator, then everything else that begins with escape.
const terminalOrders =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  /\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-~]|\x9b[0-?]*[ -/]*[@-~]/g;
// Bells, shifts and the like; tabs, line ends and page ends are text.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const otherControls = /[\x01-\x07\x0e-\x1a\x1c-\x1f\x7f\x1b]/g;

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
