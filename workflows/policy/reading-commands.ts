// Which commands only read: a table of programs, each with the options that it may have. A command with a program or an
// option that is not in the table does not count as one.

// Left out on purpose: what follows links, or goes through folders and prints what is in their files (grep -r,
// rg --hidden, find -L, diff of two folders), for that may be files with secrets or outside of the project; what writes
// (sort -o, tree -o, uniq with two names, git diff --output); what runs a program (rg --pre, find -exec, file -z,
// git log --show-signature); what shows the environment or addresses with tokens (env, ps e, git remote -v); what reads
// its arguments from a file; and launchers that load what a project asks for (cargo, rustc, yarn).

import { type ReadingForm, search, split } from './reading-form.ts';
import { gitForms } from './reading-git.ts';

const grep: ReadingForm = { ...search, letters: `${search.letters}L` };

const sums: ReadingForm = { letters: 'bt', long: ['binary', 'text', 'tag'] };
const alone: ReadingForm = { operands: 0 };
const text: ReadingForm = { text: true };
const versionOnly: ReadingForm = { long: ['version'], operands: 0, needsOption: true };

/** By the program, named without a folder. */
export const programForms: Readonly<Record<string, ReadingForm>> = {
  ls: {
    letters: '1aAbBcCdfFgGhHiklmnNopqQrRsStuUvxXZ',
    long: split(
      'all almost-all author classify=? color=? directory full-time group-directories-first human-readable inode ' +
        'no-group numeric-uid-gid recursive reverse size sort= time= time-style= format= quoting-style= literal si ignore= hide=',
    ),
    globs: 'any',
  },
  cat: {
    letters: 'AbeEnstTuv',
    long: split('show-all number number-nonblank show-ends show-tabs squeeze-blank show-nonprinting'),
  },
  head: { letters: 'qvnc', numbers: 'nc', count: true, long: split('lines= bytes= quiet verbose silent') },
  tail: { letters: 'qvnc', numbers: 'nc', count: true, long: split('lines= bytes= quiet verbose silent') },
  wc: { letters: 'lwcmL', long: split('lines words bytes chars max-line-length'), globs: 'begun' },
  nl: { letters: 'bwsvn', numbers: 'wv', texts: 'bsn', long: split('body-numbering= number-width=') },
  tac: {},
  rev: {},
  cut: {
    letters: 'cdfbs',
    texts: 'cdfb',
    long: split('characters= delimiter= fields= bytes= only-delimited complement output-delimiter='),
  },
  sort: {
    letters: 'nrufbdghiMVszcCkt',
    texts: 'kt',
    long: split(
      'numeric-sort reverse unique ignore-case ignore-leading-blanks dictionary-order general-numeric-sort ' +
        'human-numeric-sort month-sort version-sort stable zero-terminated check key= field-separator= sort=',
    ),
  },
  uniq: {
    letters: 'cdDuiz',
    numbers: 'fsw',
    long: split('count repeated unique ignore-case skip-fields= skip-chars= check-chars='),
    // A second name is the file it writes.
    operands: 1,
  },
  comm: { letters: '123i', long: split('check-order nocheck-order total output-delimiter=') },
  cmp: { letters: 'bls', long: split('silent quiet verbose print-bytes') },
  paste: { letters: 'sd', texts: 'd', long: split('serial delimiters=') },
  column: { letters: 'ts', texts: 's', long: split('table separator=') },
  fold: { letters: 'sw', numbers: 'w', long: split('spaces width=') },
  tr: text,
  od: { letters: 'cxAtNj', texts: 'At', numbers: 'Nj' },
  hexdump: { letters: 'Ccxn', numbers: 'n' },
  md5sum: sums,
  sha1sum: sums,
  sha256sum: sums,
  sha512sum: sums,
  cksum: {},
  grep,
  egrep: grep,
  fgrep: grep,
  // It passes over hidden files and, in a repository, over those that git ignores.
  rg: {
    letters: 'FilnNopPqsSUvwxcHI0',
    numbers: 'ABCmMdj',
    texts: 'egtTr',
    long: split(
      'files files-with-matches files-without-match type=? type-not=? glob=? iglob=? line-number no-line-number ignore-case ' +
        'smart-case case-sensitive fixed-strings word-regexp line-regexp count count-matches only-matching no-heading ' +
        'heading max-count=? max-depth=? max-columns=? context=? after-context=? before-context=? color= column invert-match ' +
        'multiline pcre2 sort= sortr= stats trim vimgrep json quiet no-messages with-filename no-filename type-list null ' +
        'no-config passthru',
    ),
    patternUnless: /^-[A-Za-z0-9]*e|^--(?:files|type-list)$/,
    passesOver: /^(?:-[A-Za-z0-9]*?g|--i?glob(?:=|$))/,
  },
  find: {
    words: split(
      '-name -iname -path -ipath -wholename -iwholename -type -maxdepth -mindepth -not -o -or -a -and -newer -size -mtime ' +
        '-mmin -atime -amin -ctime -cmin -empty -prune -print -print0 -printf -perm -regex -iregex -regextype -user -group ' +
        '-links -depth -xdev -mount -ls -quit -true -false -readable -writable -executable -daystart',
    ),
    globs: 'begun',
  },
  tree: {
    letters: 'adfishDCnNJpugQrtcvULIP',
    numbers: 'L',
    long: split('noreport dirsfirst du prune gitignore filelimit= sort= charset= ignore-case'),
    globs: 'begun',
  },
  // Only a print of some lines: other commands of its language write files and run programs.
  sed: {
    letters: 'nEr',
    long: split('quiet silent regexp-extended'),
    first: /^(?:[0-9$,+~;{} ]|[pq](?=[; }]|$))+$/,
  },
  jq: {
    letters: 'rcSesnjaMC',
    long: split(
      'raw-output compact-output sort-keys exit-status slurp null-input join-output ascii-output tab',
    ),
    // Its environment is the one of the shell, and its modules are files.
    first: /^(?!.*(?:env|import|include))/is,
    patternUnless: /^$/,
  },
  file: { letters: 'biINk', long: split('brief mime mime-type mime-encoding keep-going'), globs: 'begun' },
  stat: { letters: 'ctfx', texts: 'c', long: split('format= printf= terse'), globs: 'any' },
  du: {
    letters: 'abchksmxdS',
    numbers: 'd',
    long: split(
      'all summarize human-readable max-depth= total apparent-size bytes one-file-system exclude= si',
    ),
    globs: 'begun',
  },
  df: { letters: 'hHTik', long: split('human-readable print-type inodes'), globs: 'any' },
  realpath: { letters: 'emqs', long: split('relative-to= quiet'), globs: 'any' },
  readlink: { letters: 'femn', globs: 'any' },
  basename: text,
  dirname: text,
  which: text,
  test: text,
  '[': text,
  echo: text,
  printf: text,
  seq: text,
  sleep: text,
  true: text,
  false: text,
  ':': text,
  exit: text,
  // With what may be set: what changes other programs is in doubt.
  export: text,
  return: text,
  break: text,
  continue: text,
  set: text,
  pwd: { letters: 'LP', operands: 0 },
  date: {
    letters: 'uIR',
    long: split('utc iso-8601=? rfc-3339= rfc-email date='),
    first: /^\+/,
    operands: 1,
  },
  uname: { letters: 'asrmnpiovo', operands: 0 },
  whoami: alone,
  nproc: alone,
  arch: alone,
  id: { letters: 'ugnGr', operands: 0 },
  // With their version alone: without an option, what they are given in a pipe would run.
  node: { letters: 'v', ...versionOnly },
  npm: { letters: 'v', ...versionOnly },
  python: { letters: 'V', ...versionOnly },
  python3: { letters: 'V', ...versionOnly },
};

const gitVersion: ReadingForm = { long: ['version'], operands: 0 };

/** What the words of a command are held against, and where its arguments begin; undefined for a program without a form. */
export function readingFormOf(
  words: readonly (string | undefined)[],
): { form: ReadingForm; from: number; git: boolean } | undefined {
  const [program, ...args] = words;
  if (program !== 'git') return found(programForms, program, 1, false);
  const at = args.findIndex((word) => word !== '--no-pager');
  const command = args[at];
  if (command === '--version') return { form: gitVersion, from: at + 1, git: true };
  return (
    found(gitForms, `${command} ${args[at + 1]}`, at + 3, true) ?? found(gitForms, command, at + 2, true)
  );
}

function found(
  forms: Readonly<Record<string, ReadingForm>>,
  name: string | undefined,
  from: number,
  git: boolean,
) {
  const form = name !== undefined && Object.hasOwn(forms, name) ? forms[name] : undefined;
  return form && { form, from, git };
}
