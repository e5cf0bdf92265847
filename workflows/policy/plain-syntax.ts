// The small language of commands that rules may allow, as a tree. It has one reading, ours: what runs is a text that we
// write from this tree (plain-text.ts), so no other reading of the model's text matters.

// The grammar:
//
//   list      = chain { (';' | '&' | newline) chain }
//   chain     = pipeline { ('&&' | '||') pipeline }
//   pipeline  = ['time'] ['!'] command { ('|' | '|&') command }
//   command   = { name=word } word { word | redirect }  |  block { redirect }
//   block     = '(' list ')' | '{' list '}' | if … fi | while … done | until … done | for name in words; do … done | [[ … ]]
//   redirect  = [digit] ('<' | '>' | '>>' | '>|' | '&>' | '&>>') name | [digit] '>&' digit | '<<<' word | heredoc of mere text
//   word      = one or more of: plain signs, \sign, '…', "…", $'…' with \n \t \\ \' \", ~ in front, * ? [a-z],
//               $name ${name} ${name%end} ${name#start} ${name:-text} ${name[0]} $? $!, $( list ), `list`, <( list ),
//               {a,b} {1..5}
//
// Everything else is outside: functions, arithmetic, arrays, case, other expansions, names in redirects that are not
// written out, control characters, and line ends in the middle of a word.

export type Piece =
  | { kind: 'text'; text: string }
  | { kind: 'glob'; text: string }
  | { kind: 'home' }
  /** `what` is all between the braces; what it stands for is known only when it runs. */
  | { kind: 'value'; what: string; quoted: boolean }
  | { kind: 'output'; list: List; quoted: boolean }
  /** `<( … )`, always a whole word. */
  | { kind: 'file'; list: List };

/** An empty text is a piece too: a word without pieces would be no argument. */
export type PlainWord = readonly Piece[];

export type Redirect =
  | { kind: 'file'; number: string; sign: '<' | '>' | '>>' | '>|'; target: string }
  | { kind: 'copy'; number: string; target: string }
  | { kind: 'input'; word: PlainWord };

export interface Setting {
  name: string;
  value: PlainWord;
}

export interface Simple {
  kind: 'simple';
  /** As it was written. */
  text: string;
  settings: readonly Setting[];
  words: readonly PlainWord[];
  redirects: readonly Redirect[];
}

/** Its lists by the words in front of them: `( list )` has one, an `if` two for each branch. */
export interface Block {
  kind: 'block';
  text: string;
  parts: readonly { before: string; list: List }[];
  after: string;
  loop?: { name: string; words: readonly PlainWord[] };
  redirects: readonly Redirect[];
}

export interface Test {
  kind: 'test';
  text: string;
  words: readonly (PlainWord | string)[];
  redirects: readonly Redirect[];
}

export type PlainCommand = Simple | Block | Test;

export interface Pipeline {
  timed: boolean;
  negated: boolean;
  commands: readonly PlainCommand[];
}

export interface Chain {
  pipelines: readonly { joint: '' | '&&' | '||'; pipeline: Pipeline }[];
  background: boolean;
}

export type List = readonly Chain[];

/** A text that is read from left to right. */
export interface Cursor {
  readonly text: string;
  at: number;
  /** Lists inside of lists. */
  depth: number;
  /** Heredocs whose text begins on the next line. */
  heredocs: { at: number; end: string; tabs: boolean; found(text: string): void }[];
  /** Reads a list up to, not over, the `)` or the end. */
  readList(cursor: Cursor): List;
}

/** Thrown where a text leaves the language; it goes no further than to readPlain. */
export class Outside extends Error {}

export function lookingAt(cursor: Cursor, shape: RegExp): RegExpExecArray | null {
  shape.lastIndex = cursor.at;
  return shape.exec(cursor.text);
}

/** Moves over what `shape` finds here; undefined if it finds nothing. The shape is sticky. */
export function take(cursor: Cursor, shape: RegExp): RegExpExecArray | undefined {
  const found = lookingAt(cursor, shape);
  if (found === null) return undefined;
  cursor.at += found[0].length;
  return found;
}
