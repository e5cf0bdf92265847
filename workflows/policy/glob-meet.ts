// Whether a glob of the shell's spells what a glob of a rule names: they may name the same path, and at least one
// written sign of the one is met by one of the other. A bare `*` spells nothing; it is no more pointed than the directory
// itself. For forbidding only: sets and extended globs count as any text, so it errs to yes.

// Each name is held against each other sign by sign; globs written by hand are shorter.
const longestGlob = 200;

/** None: they cannot be the same. Bare: by wildcards alone. Spelled: by written signs too. */
type Meeting = 0 | 1 | 2;
const none = 0;
const bare = 1;
const spelled = 2;

/** Prepared, because one is held against many. */
export type NamePattern = readonly { text: string; tokens: readonly string[] }[];

/** Undefined for a glob that is too long to be looked through. */
export function toNamePattern(glob: string): NamePattern | undefined {
  if (glob.length > longestGlob) return undefined;
  return glob
    .toLowerCase()
    .split('/')
    .map((text) => ({ text, tokens: tokensOf(text) }));
}

export function globsMeet(shell: NamePattern | undefined, wanted: NamePattern | undefined): boolean {
  if (shell === undefined || wanted === undefined) return true;
  // Place by place: how the names so far meet what the rule's glob says up to there.
  let reached: Meeting[] = skipAny(wanted, [bare]);
  for (const name of shell) {
    const next: Meeting[] = wanted.map(({ text }, place) => (text === '**' ? at(reached, place) : none));
    for (const [place, each] of wanted.entries()) {
      const before = at(reached, place);
      if (each.text === '**' || before === none) continue;
      next[place + 1] = best(at(next, place + 1), both(before, namesMeet(name, each)));
    }
    reached = skipAny(wanted, next);
  }
  return reached[wanted.length] === spelled;
}

/** `**` may be no name at all. */
function skipAny(wanted: NamePattern, reached: Meeting[]): Meeting[] {
  for (const [place, { text }] of wanted.entries()) {
    if (text === '**') reached[place + 1] = best(at(reached, place + 1), at(reached, place));
  }
  return reached;
}

function at(places: readonly Meeting[], place: number): Meeting {
  return places[place] ?? none;
}

function best(one: Meeting, other: Meeting): Meeting {
  return one > other ? one : other;
}

function both(one: Meeting, other: Meeting): Meeting {
  return one === none || other === none ? none : best(one, other);
}

function namesMeet(shell: NamePattern[number], { tokens: wanted }: NamePattern[number]): Meeting {
  // A leading dot must be written for a shell to match it.
  if (/^[*?[](?!\()/.test(shell.text) && wanted[0] === '.') return none;
  return tokensMeet(shell.tokens, wanted);
}

/** A character is itself, `one` is any one, `any` any text. */
function tokensOf(name: string): string[] {
  const signs =
    /\\(?<escaped>.)|(?<any>[@!+*?]\([^)]*\)*)|(?<one>\[[!^]?\]?(?:\[(?<kind>[:.=]).*?\k<kind>\]|[^\]])*\])|(?<plain>.)/gsu;
  return [...name.matchAll(signs)].map(({ groups = {} }) => {
    const { escaped, any, one, plain } = groups;
    // A bracket that nothing here closes may be closed by rules that this does not know.
    if (any !== undefined || plain === '*' || plain === '[') return 'any';
    if (one !== undefined || plain === '?') return 'one';
    return escaped ?? plain ?? '';
  });
}

function tokensMeet(one: readonly string[], other: readonly string[]): Meeting {
  // From the ends: meets[j] is how what is left of `one` meets what is left of `other` from j on.
  let meets = [...other, ''].map(
    (_, place): Meeting => (other.slice(place).every((token) => token === 'any') ? bare : none),
  );
  for (const token of one.toReversed()) {
    const before = meets;
    meets = before.map(() => none);
    for (let place = other.length; place >= 0; place -= 1) {
      const against = other[place];
      if (token === 'any' || against === 'any') {
        meets[place] = best(at(before, place), at(meets, place + 1));
      } else if (token === against) {
        meets[place] = both(at(before, place + 1), spelled);
      } else if (against !== undefined && (token === 'one' || against === 'one')) {
        meets[place] = at(before, place + 1);
      }
    }
  }
  return at(meets, 0);
}
