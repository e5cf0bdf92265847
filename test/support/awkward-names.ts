// Names of folders that are right on Linux and have broken products: each means something to a shell, a URL, a
// pattern, an option parser or an encoding.
export const awkwardNames = [
  '\u00fc',
  'u\u0308',
  '日本',
  '🙂',
  'a b',
  ' ends in a space ',
  "it's",
  'say "x"',
  'back\\slash',
  'a#b',
  'a?b=c',
  'a%20b',
  '%',
  '$HOME',
  '`id`',
  '*',
  '[a]{b,c}!',
  '-dash',
  'a;b&c|d',
  ':(top)',
  'file:',
  'l'.repeat(180),
] as const;

/** Refused in one sentence. */
export const unfitNames = [
  'new\nline',
  'return\r',
  'escape\u001b[31m',
  'bell\u0007',
  'c1\u0085',
  'line\u2028',
] as const;

/** Everything awkward in one name, for tests too slow to try each name. */
export const awkwardName = `-ü u\u0308 日本🙂 'q' "Q" \\b #h ?q %20 $HOME \`id\` * [a] ;x `;
