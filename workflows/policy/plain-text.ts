// Writes plain commands as the text that runs: every word quoted by us, everything else written out by us. Read again,
// it is the same tree.
import { reserved } from './plain-command.ts';
import type { List, Piece, Pipeline, PlainCommand, PlainWord, Redirect } from './plain-syntax.ts';

export function writePlain(list: List): string {
  const chains = list.map(({ pipelines, background }) => {
    const written = pipelines.map(({ joint, pipeline }) =>
      [joint, writePipeline(pipeline)].filter(Boolean).join(' '),
    );
    return `${written.join(' ')}${background ? ' &' : ';'}`;
  });
  return chains.join(' ').replace(/;$/, '');
}

function writePipeline({ timed, negated, commands }: Pipeline): string {
  return `${timed ? 'time ' : ''}${negated ? '! ' : ''}${commands.map(writeCommand).join(' | ')}`;
}

function writeCommand(command: PlainCommand): string {
  const redirects = command.redirects.map(writeRedirect);
  if (command.kind === 'test') {
    const words = command.words.map((word) => (typeof word === 'string' ? word : writeWord(word)));
    return ['[[', ...words, ']]', ...redirects].join(' ');
  }
  if (command.kind === 'simple') {
    const settings = command.settings.map(({ name, value }) => `${name}=${writeWord(value)}`);
    const [program, ...args] = command.words;
    const words =
      program === undefined ? [] : [writeProgram(program), ...args.map((word) => writeWord(word))];
    return [...settings, ...words, ...redirects].join(' ');
  }
  const { loop, parts, after } = command;
  const head =
    loop === undefined
      ? []
      : [`for ${loop.name} in ${loop.words.map((word) => `${writeWord(word)} `).join('')};`];
  const written = parts.flatMap(({ before, list }) => [before, ended(list, after)]);
  return [...head, ...written, after, ...redirects].join(' ');
}

/** Only a bracket ends a list by itself. */
function ended(list: List, after: string): string {
  return `${writePlain(list)}${after === ')' || list.at(-1)?.background === true ? '' : ';'}`;
}

function writeRedirect(redirect: Redirect): string {
  if (redirect.kind === 'copy') return `${redirect.number}>&${redirect.target}`;
  if (redirect.kind === 'file') return `${redirect.number}${redirect.sign}${quote(redirect.target)}`;
  return `<<<${writeWord(redirect.word)}`;
}

const safe = /^[A-Za-z0-9_./:=@%+,-]+$/;
// As the first word, some texts are the shell's own, some set variables, and behind `time` some are options.
const safeProgram = /^(?:\[|[A-Za-z0-9_./:@+][A-Za-z0-9_./:@%+,-]*)$/;

function quote(text: string, shape = safe): string {
  return shape.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

function writeProgram(word: PlainWord): string {
  const written = writeWord(word, safeProgram);
  return reserved.test(written) ? `'${written}'` : written;
}

function writeWord(word: PlainWord, shape = safe): string {
  // A quoted slash behind a tilde would not end the name of the home's owner.
  const [first, second] = word;
  if (first?.kind === 'home' && second?.kind === 'text') {
    const rest = second.text.slice(1);
    return `~/${rest === '' ? '' : quote(rest)}${writeWord(word.slice(2))}`;
  }
  // The bracket that ends a test.
  if (first?.kind === 'text' && word.length === 1 && first.text === ']') return ']';
  return word.map((piece) => writePiece(piece, shape)).join('');
}

function writePiece(piece: Piece, shape: RegExp): string {
  switch (piece.kind) {
    case 'text':
      return quote(piece.text, shape);
    case 'glob':
      return piece.text;
    case 'home':
      return '~';
    case 'value': {
      const written = /^[?!]$/.test(piece.what) ? `$${piece.what}` : `\${${piece.what}}`;
      return piece.quoted ? `"${written}"` : written;
    }
    case 'output': {
      const written = `$( ${writePlain(piece.list)} )`;
      return piece.quoted ? `"${written}"` : written;
    }
    case 'file':
      return `<( ${writePlain(piece.list)} )`;
  }
}
