// Clocks of a time zone: what they show at a moment, and when they show something first. What they show is a Date as well,
// which says in UTC what they say.

export interface WallClock {
  shows(at: Date): Date;
  /** Of a time that they show twice the first; of one that they leave out the end of the gap. */
  firstShowing(shown: Date): Date;
}

// Clocks are changed once within this.
const dayMs = 86_400_000;

export function wallClock(timeZone: string): WallClock {
  // Written in Swedish a moment is as ISO 8601 has it.
  const format = new Intl.DateTimeFormat('sv', { timeZone, dateStyle: 'short', timeStyle: 'medium' });
  const aheadMs = (at: number): number => Date.parse(`${format.format(at)}Z`) - Math.floor(at / 1000) * 1000;

  function firstShowing(shown: number): number {
    const before = aheadMs(shown - dayMs);
    // Of two it is the one that comes before the change.
    if (aheadMs(shown - before) === before) return shown - before;
    const after = aheadMs(shown + dayMs);
    if (aheadMs(shown - after) === after) return shown - after;
    let [old, changed] = [shown - after, shown - before];
    while (changed - old > 1000) {
      const middle = Math.floor((old + changed) / 2000) * 1000;
      if (aheadMs(middle) === after) changed = middle;
      else old = middle;
    }
    return changed;
  }

  return {
    shows: (at) => new Date(at.getTime() + aheadMs(at.getTime())),
    firstShowing: (shown) => new Date(firstShowing(shown.getTime())),
  };
}
