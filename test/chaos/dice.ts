// Repeatable chance: everything random in a chaos run comes from its seed through these dice.

export interface Dice {
  /** A whole number from 0 up to `limit`, without it. */
  below(limit: number): number;
  /** A whole number from `least` to `most`, both included. */
  between(least: number, most: number): number;
  chance(probability: number): boolean;
  pick<T>(from: readonly T[]): T;
  /** Dice of their own for one part: what another part rolls changes nothing here. */
  derive(part: number): Dice;
}

export function createDice(seed: number): Dice {
  let state = seed >>> 0;
  // Mulberry32: small, fast, and good enough to spread faults.
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (limit: number): number => Math.floor(next() * limit);
  return {
    below,
    between: (least, most) => least + below(most - least + 1),
    chance: (probability) => next() < probability,
    pick: (from) => {
      const picked = from[below(from.length)];
      if (picked === undefined) throw new Error('nothing to pick from');
      return picked;
    },
    derive: (part) => createDice(Math.imul(seed ^ 0x9e3779b9, part + 0x7f4a7c15)),
  };
}
