// Whether a command only reads, by the table of those that do. It need not know which option takes a value: every word
// that begins with a dash must be an option of the table, wherever it stands, and every other one must stay in the
// project, whether it is a file or the value of an option.
import type { SimpleCommand } from './command.ts';
import { leadsOut } from './command-pattern.ts';
import { unknownNames, type Word } from './command-word.ts';
import { normalizePath } from './path.ts';
import { readingFormOf } from './reading-commands.ts';
import type { ReadingForm } from './reading-form.ts';

/** Where a command may read: in its project, by any path, and in those beside it, by their own paths. */
interface Place {
  root: string | null;
  beside: readonly string[];
}

/** Reading it changes nothing and tells nothing. */
const nothing = '/dev/null';

export function onlyReads(command: SimpleCommand, where: Place): boolean {
  if (command.hidden !== undefined || command.caution !== undefined || command.showsValue) return false;
  // Where it reads from, and where links lead that it names.
  const { reads = command.files } = command;
  if (!reads.every(({ text }) => text !== undefined && staysIn(text, where))) return false;
  const texts = command.words.map(({ text }) => text);
  // Only to the project, where it is already: from another folder, names would mean other files than those judged.
  if (texts[0] === 'cd') return texts.length === 2 && isProject(texts[1], where);
  const found = readingFormOf(texts);
  if (found === undefined) return false;
  const { form, from, git } = found;
  // Beside a name outside of its repository, git compares any two folders.
  const place = git ? { ...where, beside: [] } : where;
  const args = command.words.slice(from);
  if (form.text) return args.every(({ text, status }) => text !== undefined || status === true);
  // Such a format has git start a program that checks signatures.
  if (git && args.some(({ raw }) => /%[-+ ]?G|%\([^)]*signature/.test(raw))) return false;
  if (git && args.some(({ text }) => text === nothing)) return false;
  // Behind it, what looks like an option is a pattern or a file.
  const end = args.findIndex(({ text }) => text === '--');
  if (end !== -1 && args.slice(end).some(({ text }) => isOption(text ?? ''))) return false;
  return (
    args.every((word) => isAllowed(word, form, place)) &&
    hasItsOperands(args, form, place) &&
    (form.passesOver === undefined || staysPassedOver(args, form.passesOver))
  );
}

// No secrets are kept in files with such an ending, hidden or not.
const ending =
  '(?:[cm]?[jt]sx?|py|pyi|go|rs|java|kts?|scala|rb|php|[ch]|cc|cpp|cxx|hh|hpp|cs|fs|swift|mm|lua|pl|jl|exs?|erl|hs|ml|clj|' +
  'dart|vue|svelte|astro|html?|css|s[ac]ss|less|mdx?|rst|sql|graphql|proto|sh)';
// A glob that only leaves out, one name that rules about names know, or a kind of sources.
const harmlessGlob = new RegExp(
  `^(?:!.*|[\\w./@+-]*|[^\\\\{}]*\\.(?:${ending}|\\{${ending}(?:,${ending})*\\}))$`,
  's',
);
// A folder for people to read, but for those in it that rules about names know.
const hiddenName = /(?:^|\/)\.(?!\.?(?:\/|$)|github(?:\/|$))/;

/** Whether each glob for the program leaves out what it passes over. */
function staysPassedOver(args: readonly Word[], globOption: RegExp): boolean {
  return args.every(({ text = '' }, index) => {
    const [option] = globOption.exec(text) ?? [];
    if (option === undefined) return true;
    return harmlessGlob.test(text.slice(option.length) || (args[index + 1]?.text ?? ''));
  });
}

function isAllowed({ text, glob, raw }: Word, form: ReadingForm, place: Place): boolean {
  if (text !== undefined) return !isOption(text) || isOptionOf(form, text, place);
  if (glob === undefined || glob === unknownNames || form.globs === undefined) return false;
  // `.*` finds what is above too.
  if (/(?:^|\/)\.[^/]*[*?[]/.test(glob) || leadsOut(raw, place.root, place.beside)) return false;
  return form.globs === 'any' ? !raw.startsWith('-') : /^[^-*?[]/.test(glob);
}

function isOption(text: string): boolean {
  return text.startsWith('-') && text !== '-' && text !== '--';
}

function isOptionOf(form: ReadingForm, option: string, place: Place): boolean {
  const { letters = '', numbers = '', texts = '', long = [], words, count } = form;
  // Such as -mtime -7.
  if (words !== undefined) return words.includes(option) || /^-[0-9]+[a-zA-Z]?$/.test(option);
  if (option.startsWith('--')) {
    const [, name = '', value] = /^--([^=]*)(?:=(.*))?$/s.exec(option) ?? [];
    const isNamed = long.includes(value === undefined ? name : `${name}=`) || long.includes(`${name}=?`);
    return isNamed && (value === undefined || !leadsOut(value, place.root, place.beside));
  }
  if (count && /^-[0-9]+$/.test(option)) return true;
  const rest = option.slice(1);
  const at = [...rest].findIndex((each) => `${numbers}${texts}`.includes(each) || !letters.includes(each));
  if (at === -1) return true;
  const [letter = '', value] = [rest[at], rest.slice(at + 1)];
  if (numbers.includes(letter) && /^(?:[0-9]+%?)?$/.test(value)) return true;
  return texts.includes(letter) && !leadsOut(value, place.root, place.beside);
}

function hasItsOperands(args: readonly Word[], form: ReadingForm, place: Place): boolean {
  const options = args.flatMap(({ text }) => (text !== undefined && isOption(text) ? [text] : []));
  const operands = args.filter(({ text }) => text === undefined || (!isOption(text) && text !== '--'));
  if (form.needsOption && options.length === 0) return false;
  const isListing = form.operandsWith?.some((option) => options.includes(option)) ?? false;
  if (form.operands !== undefined && operands.length > form.operands && !isListing) return false;
  const [first] = operands;
  if (form.first !== undefined && first !== undefined && !form.first.test(first.text ?? '')) return false;
  const isPattern =
    form.patternUnless !== undefined && !options.some((each) => form.patternUnless?.test(each));
  const isCode = form.first !== undefined;
  return operands
    .slice(isPattern || isCode ? 1 : 0)
    .every(
      ({ text }) =>
        text === undefined || (staysIn(text, place) && !(form.passesOver && hiddenName.test(text))),
    );
}

function isProject(name: string | undefined, place: Place): boolean {
  const normal = normalizePath(name ?? '', place.root);
  return name !== '-' && normal.kind === 'inside' && normal.path === '.';
}

function staysIn(name: string, place: Place): boolean {
  return name === nothing || !leadsOut(name, place.root, place.beside);
}
