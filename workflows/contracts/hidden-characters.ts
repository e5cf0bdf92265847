// Characters that hide, reorder or overwrite what is read. One pattern for the API, the command line and the page; plain,
// with no schema, so that each of them may load it.

// Control and format characters (escape, bidi overrides, zero-width), line and paragraph separators, lone surrogates,
// and the fillers that are letters by name and invisible by nature. Tab and newline stay.
export const hiddenCharacters = /(?![\n\t])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\u115f\u1160\u3164\uffa0]/gu;

/** Each written out instead of taken away: what a person decides on must look like what it is. */
export function writtenOut(text: string): string {
  return text.replaceAll(hiddenCharacters, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
}
