// What a command may run of its arguments, for rules that forbid: a tripwire, no wall. Every program that is not known
// to take its words as mere data is looked through, whatever it is called. Nothing is allowed because of this.
import { isShellOrWrapper, programDoubt, programOf, runsOthers } from './command-doubt.ts';
import { toKnownWord, type Word } from './command-word.ts';

export interface Inside {
  /** Ends of the arguments, each as a command of its own. */
  tails: readonly (readonly Word[])[];
  /** Arguments that may be commands in one text. */
  texts: readonly string[];
}

// Enough for any honest wrapper; each place costs a look at every rule.
const mostInside = 40;

// What they are given is data: names of files, texts, tests, targets, packages, scripts of the project.
const takesData = new Set(
  [
    '[ test true false : cd pushd popd echo printf pwd exit return break continue set export wait jobs kill sleep date',
    'ls cat head tail less more wc stat file du df tree nl cut sort uniq tr tee diff cmp comm paste join fold fmt column',
    'grep egrep fgrep rg ag ack sed awk gawk mawk jq yq od xxd hexdump strings rev tac shuf split seq expr bc tar zip unzip',
    'gzip gunzip zcat bzip2 xz zstd md5sum sha1sum sha256sum sha512sum cksum base64 touch mkdir rmdir rm mv cp ln install',
    'chmod chown chgrp readlink realpath basename dirname mktemp truncate dd patch which type whereis man info whoami id',
    'uname hostname locale ps pgrep pkill killall free uptime tput clear cal git make gmake cmake ninja meson bazel just task',
    'pip pip2 pip3 gem apt apt-get apk brew dnf yum cargo go composer rustc gcc g++ clang cc ld javac java mvn mvnw',
    'gradle gradlew ant sbt dotnet msbuild swift xcodebuild mix rebar3 stack cabal tsc eslint prettier biome vitest jest',
    'mocha ava cypress playwright tsx ts-node esbuild vite webpack rollup turbo nx lerna pytest py.test ruff black mypy',
    'flake8 pylint isort tox nox rspec rubocop rake rails phpunit gofmt goimports golangci-lint rustfmt clippy-driver',
    'shellcheck hadolint yamllint markdownlint actionlint tflint terraform sqlite3 psql mysql',
  ].flatMap((names) => names.split(' ')),
);
// The name behind one of these is run.
const running = /^(?:run|exec|x|dlx|node|--|-m)$/;
const installsOrRunsScripts =
  /^(?:add|install|i|ci|remove|rm|un|uninstall|up|upgrade|update|run|run-script|test|t|start|stop|build|lint|why|list|ls|outdated|publish|pack|audit|init|create|link|workspace|workspaces|config|info|view|sync|lock|show|check|env|export|version)$/;
const runsProjectCode = /^(?:node|deno|bun|python[0-9.]*|pypy[0-9.]*|ruby|perl|php|lua)$/;
const script = /\.(?:[cm]?[jt]sx?|py|rb|pl|php|lua)$/;
// An option whose name says that its value is run.
const runningOption =
  /^--?(?:[a-z-]*exec|[a-z-]*cmd|[a-z-]*command|[a-z-]*action|[a-z-]*shell|[a-z-]*program|pre|pager|editor|rsh|filter|vettool)(?:=|$)/;

export function commandsInside(words: readonly Word[]): Inside {
  const [first, ...args] = words;
  const name = first?.text === undefined ? '' : programOf(first.text);
  const places = args.slice(0, mostInside);
  if (/^git-./.test(name)) return { tails: [[...gitWords(name), ...args]], texts: textsOf(places) };
  if (/^(?:git|find|fd|fdfind)$/.test(name)) return insideKnown(words, places);
  if (runsOthers(name)) return { tails: tailsOf(places, args), texts: textsOf(places) };
  const end = name === '' ? 0 : endOfProgram(name, places);
  const looked = places.slice(0, end);
  const beyond = ofOptions(places.slice(end), args.slice(end));
  return {
    tails: [...tailsOf(looked, args).filter(isLikely), ...beyond.tails],
    texts: [...textsOf(looked), ...beyond.texts],
  };
}

/** Whether an unknown program names, in the place where wrappers do, a command that itself is in doubt. */
export function wrappedDoubt([first, ...args]: readonly Word[]): string | undefined {
  const name = first?.text === undefined ? '' : programOf(first.text);
  if (name === '' || runsOthers(name) || endOfProgram(name, args) === 0) return undefined;
  const at = running.test(args[0]?.text ?? '') ? 1 : 0;
  const program = args[at]?.text;
  if (program === undefined) return undefined;
  const isCommand = isShellOrWrapper(programOf(program)) || /^(?:git|find|fd)$/.test(programOf(program));
  return isCommand ? programDoubt(args.slice(at)) : undefined;
}

/** How many of its arguments may be a command; all behind that is data. */
function endOfProgram(name: string, args: readonly Word[]): number {
  if (takesData.has(name) || isPackageData(name, args)) return 0;
  // The program that is named where wrappers have theirs, and takes data itself.
  const at = running.test(args[0]?.text ?? '') ? 1 : 0;
  if (takesData.has(programOf(args[at]?.text ?? ''))) return at + 1;
  if (!runsProjectCode.test(name)) return args.length;
  // Words behind a script of the project are for it to read.
  const found = args.findIndex(
    ({ text }) => text !== undefined && !text.startsWith('-') && script.test(text),
  );
  return found === -1 ? args.length : found + 1;
}

/** What a package manager is told to add, or which script of the project to run. */
function isPackageData(name: string, args: readonly Word[]): boolean {
  if (!/^(?:npm|yarn|pnpm|uv|poetry|pipenv|pdm|hatch|bundle|bun|conda|rye)$/.test(name)) return false;
  if (args.some(({ text }) => /^(?:exec|x|dlx)$/.test(text ?? ''))) return false;
  const command = args.find(({ text }) => text !== undefined && !text.startsWith('-'))?.text ?? '';
  if (command === 'run') return /^(?:npm|yarn|pnpm|bun)$/.test(name);
  return name === 'npm' || installsOrRunsScripts.test(command);
}

/** A last word alone, behind others, is more often what a program is given than what it runs. */
function isLikely(tail: readonly Word[], index: number, tails: readonly (readonly Word[])[]): boolean {
  return index === 0 || tail.length > 1 || running.test(tails[index - 1]?.[0]?.text ?? '');
}

function tailsOf(places: readonly Word[], args: readonly Word[]): (readonly Word[])[] {
  return places.map((_, index) => withoutAddress(args.slice(index)));
}

/** A package's version and the name of its registry say nothing about which program it is. */
function withoutAddress([first, ...rest]: readonly Word[]): readonly Word[] {
  const text = first?.text?.replace(/^(?:npm|jsr|file|pypi):/, '').replace(/(?<=.)@[^/]*$/, '');
  return first === undefined ? [] : [text === undefined ? first : { ...first, text }, ...rest];
}

function gitWords(name: string): Word[] {
  return ['git', name.slice('git-'.length)].map(toKnownWord);
}

/** Its arguments are data, except where it is known to run some. */
function insideKnown(words: readonly Word[], places: readonly Word[]): Inside {
  const args = words.slice(1);
  if (programDoubt(words) === undefined) return ofOptions(places, args);
  return { tails: tailsOf(places, args), texts: textsOf(places) };
}

function ofOptions(places: readonly Word[], args: readonly Word[]): Inside {
  const tails: (readonly Word[])[] = [];
  const texts: string[] = [];
  for (const [index, { text }] of places.entries()) {
    if (text === undefined || !runningOption.test(text)) continue;
    const value = /=(.+)$/s.exec(text)?.[1];
    const tail = [...(value === undefined ? [] : [toKnownWord(value)]), ...args.slice(index + 1)];
    tails.push(tail);
    texts.push(...textsOf(tail.slice(0, 1)));
  }
  return { tails, texts };
}

/** A text may hang on an option: `--exec=…`, `-x…`. */
function textsOf(words: readonly Word[]): string[] {
  return words.flatMap(({ text }) => {
    if (text === undefined || !/[\s;|&]/.test(text)) return [];
    const hung = /^-[A-Za-z](?=[^-\s])(.*)$|^-[^\s=]*=(.*)$|^[A-Za-z][\w.]*=!?(.*)$/s.exec(text);
    const value = hung?.[1] ?? hung?.[2] ?? hung?.[3];
    return value === undefined ? [text] : [text, value];
  });
}
