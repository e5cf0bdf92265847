// The commands of git that only read, as reading-commands.ts has it for programs.
import { type ReadingForm, search, split } from './reading-form.ts';

const diffLetters = 'puswbazRMCWi';
const diffLong = split(
  'stat=? shortstat numstat dirstat summary name-only name-status patch no-patch patch-with-stat unified= ' +
    'ignore-all-space ignore-space-change ignore-blank-lines ignore-space-at-eol ignore-cr-at-eol word-diff=? color=? ' +
    'no-color color-words minimal patience histogram diff-algorithm= no-ext-diff no-textconv text find-renames=? ' +
    'find-copies=? no-renames diff-filter= exit-code quiet check raw abbrev=? full-index binary relative ' +
    'function-context inter-hunk-context= no-prefix compact-summary pickaxe-all pickaxe-regex',
);
const logLetters = `${diffLetters}nEFgcmt`;
const logLong = [
  ...diffLong,
  ...split(
    'oneline max-count=? skip= since= after= until= before= author= committer= grep= all-match invert-grep all ' +
      'branches=? tags=? remotes=? graph decorate=? no-decorate pretty=? format= abbrev-commit no-abbrev-commit merges ' +
      'no-merges first-parent reverse follow date= date-order topo-order author-date-order relative-date no-walk source ' +
      'walk-reflogs cherry cherry-mark cherry-pick left-right left-only right-only ancestry-path full-history ' +
      'simplify-by-decoration boundary not cc diff-merges= extended-regexp fixed-strings perl-regexp',
  ),
];
const log: ReadingForm = { letters: logLetters, numbers: 'nUMC', texts: 'LGS', count: true, long: logLong };
// With one of these, branch and tag list; without, they make one of the name they are given.
const filters = ['--contains', '--no-contains', '--merged', '--no-merged', '--points-at'];
const listing = split(
  'sort= format= contains=? no-contains=? merged=? no-merged=? points-at=? color=? no-color',
);

/** By the command of git. It runs bound to the project's repository (activities/git/bounds.ts). */
export const gitForms: Readonly<Record<string, ReadingForm>> = {
  status: {
    letters: 'sbvz',
    texts: 'u',
    long: split(
      'short branch porcelain=? untracked-files=? ignored=? verbose long show-stash ahead-behind no-renames',
    ),
  },
  diff: {
    letters: diffLetters,
    numbers: 'UMC',
    texts: 'GS',
    long: [...diffLong, ...split('staged cached merge-base base ours theirs')],
  },
  log,
  show: log,
  shortlog: { letters: 'snec', long: logLong },
  'rev-list': { ...log, long: [...logLong, 'count'] },
  // Other words may be commands of its own, which delete.
  reflog: { letters: 'n', numbers: 'n', count: true, long: ['all', 'date='], operands: 0 },
  'reflog show': log,
  blame: {
    letters: 'wMCelstnfpLb',
    texts: 'L',
    long: split('date= since= porcelain line-porcelain show-name show-number show-email'),
  },
  branch: {
    letters: 'arv',
    long: [...listing, ...split('all remotes verbose show-current list ignore-case column=? no-column')],
    operands: 0,
    operandsWith: ['--list', ...filters],
  },
  tag: {
    letters: 'li',
    numbers: 'n',
    long: [...listing, 'list', 'ignore-case'],
    operands: 0,
    operandsWith: ['-l', '--list', ...filters],
  },
  remote: { operands: 0 },
  'rev-parse': {
    letters: 'q',
    long: split(
      'abbrev-ref=? show-toplevel short=? verify quiet git-dir is-inside-work-tree is-bare-repository show-prefix ' +
        'show-cdup symbolic-full-name all branches=? tags=?',
    ),
  },
  'merge-base': { letters: 'a', long: split('all is-ancestor fork-point octopus independent') },
  'ls-files': {
    letters: 'cdmostuzk',
    long: split(
      'cached deleted modified others stage exclude-standard full-name error-unmatch unmerged killed eol',
    ),
  },
  'ls-tree': { letters: 'rtdlz', long: split('name-only name-status long full-name full-tree abbrev=?') },
  'cat-file': { letters: 'pts' },
  describe: {
    long: split(
      'tags always dirty=? all long abbrev= exact-match match= exclude= contains candidates= first-parent',
    ),
  },
  'name-rev': { long: split('name-only tags refs= always') },
  'for-each-ref': { long: [...listing, 'count='] },
  'show-ref': { letters: 'sdq', long: split('head heads branches tags verify hash=? dereference') },
  'check-ignore': { letters: 'qvn', long: split('quiet verbose non-matching no-index') },
  'count-objects': { letters: 'vH', operands: 0 },
  cherry: { letters: 'v' },
  grep: {
    ...search,
    letters: 'EFGPivwxcloqnhHaIL',
    long: [
      ...(search.long ?? []),
      ...split('name-only cached heading break show-function function-context and or not'),
    ],
  },
  'stash list': log,
  'stash show': log,
  'worktree list': { letters: 'v', long: ['porcelain', 'verbose'], operands: 0 },
};
