// Text that Postgres can hold: NUL it stores not, and half of a surrogate pair is no UTF-8. Models, tools and people
// produce both.

export function toStorable(text: string): string {
  return text.toWellFormed().replaceAll('\u0000', '\uFFFD');
}

/** Of files, programs and pages, where a NUL is part of what there is to see. */
export function toStorableOutput(text: string): string {
  return toStorable(text.replaceAll('\u0000', '\u2400'));
}
