// Makes text storable in Postgres, which takes no NUL and no half of a surrogate pair. Models, tools and people produce
// both.

/**
 * Characters of a prompt or another text of a person: what is larger belongs into a file the agent reads, and the request
 * body is capped at 1 MiB anyway.
 */
export const longestText = 400_000;

export function toStorable(text: string): string {
  return text.toWellFormed().replaceAll('\u0000', '\uFFFD');
}

/** For text of files, programs and pages, where a reader must see each NUL. */
export function toStorableOutput(text: string): string {
  return toStorable(text.replaceAll('\u0000', '\u2400'));
}

/**
 * Whether a text, or every text in a value, is storable. Walks without recursion: what was parsed may be nested as deep
 * as its text is long.
 */
export function isStorable(value: unknown): boolean {
  const left: unknown[] = [value];
  while (left.length > 0) {
    const next = left.pop();
    if (typeof next === 'string') {
      if (toStorable(next) !== next) return false;
    } else if (typeof next === 'object' && next !== null) {
      for (const [key, inner] of Object.entries(next)) left.push(key, inner);
    }
  }
  return true;
}
