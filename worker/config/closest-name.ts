// The known name nearest to a mistyped one, for "did you mean".
function distance(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_, column) => column);
  for (let line = 1; line <= left.length; line += 1) {
    const next = [line];
    for (let column = 1; column <= right.length; column += 1) {
      const replaced = (row[column - 1] ?? 0) + (left[line - 1] === right[column - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[column] ?? 0) + 1, (next[column - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[right.length] ?? 0;
}

/** Undefined when nothing is near enough to be meant. */
export function closestName(name: string, known: readonly string[]): string | undefined {
  const ranked = known
    .map((each) => ({ each, far: distance(name.toLowerCase(), each.toLowerCase()) }))
    .sort((left, right) => left.far - right.far);
  const best = ranked[0];
  // Two slips, or a third of a long name; beyond that a proposal misleads.
  return best !== undefined && best.far <= Math.max(2, name.length / 3) ? best.each : undefined;
}
