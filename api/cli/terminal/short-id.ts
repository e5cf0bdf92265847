// The short form of an id, which tables print and commands take.

/**
 * Ids begin with the time, so those of one minute begin alike; the last 32 bits are random. Of 10,000 ids two end alike in
 * one of a hundred installations, and then the command asks which one is meant.
 */
export function shortId(id: string): string {
  return id.slice(-8);
}
