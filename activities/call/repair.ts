// Arguments that say what is meant in a form the tool does not take, brought into the form it takes. Only where there is
// one way to read them: what is ambiguous, or may have been cut, stays as it is and is refused. Written here, since the
// libraries for tolerant JSON also close what was cut and guess at what is missing.

export interface Repaired {
  value: unknown;
  /** What was done, for the model and for people: names of arguments, none of their values. */
  repairs: string[];
}

/** What a schema says does not fit. */
export interface Issue {
  code: string;
  path: readonly PropertyKey[];
  message: string;
  expected?: string;
  keys?: readonly string[];
}

// Some models encode twice; beyond three times it is unclear what is meant.
const mostLayers = 3;
// A text is decoded, a list opened, a number read: each lets the schema see one level more.
const mostRounds = 6;
// Enough to say what happened; a list of thousands would be longer than the result.
const mostTold = 12;

/** JSON as models write it. Undefined: it cannot be read, or it was cut. */
export function readJson(text: string): Repaired | undefined {
  const repairs = new Set<string>();
  let written = text;
  for (let layer = 0; layer < mostLayers; layer += 1) {
    const read = readLayer(written, repairs);
    if (read === undefined) return undefined;
    if (typeof read.value !== 'string') return { value: read.value, repairs: [...repairs] };
    written = read.value;
    repairs.add('JSON within a string was read');
  }
  return undefined;
}

// Only a fence around the whole text: where a fence is not closed, the end may be missing.
const fenced = /^```(?:json)?\s*\n([\s\S]*)\n\s*```$/i;

function readLayer(written: string, repairs: Set<string>): { value: unknown } | undefined {
  const trimmed = written.trim();
  const text = fenced.exec(trimmed)?.[1] ?? trimmed;
  if (text !== trimmed) repairs.add('a code fence was left out');
  const exact = parsed(text);
  if (exact) return exact;
  const { mended, ...done } = mend(text);
  const value = parsed(mended);
  if (!value) return undefined;
  if (done.escaped) repairs.add('line breaks or other control characters in strings were escaped');
  if (done.commas) repairs.add('trailing commas were left out');
  return value;
}

function parsed(text: string): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

/** Escapes control characters inside strings and drops commas that stand between a value and a closing bracket. */
function mend(text: string): { mended: string; escaped: boolean; commas: boolean } {
  let mended = '';
  let inString = false;
  let escaped = false;
  let commas = false;
  // The last character outside of strings that is no space; a string counts as its quote.
  let last = '';
  for (let at = 0; at < text.length; at += 1) {
    const sign = text.charAt(at);
    if (inString) {
      if (sign === '\\') {
        mended += sign + text.charAt(at + 1);
        at += 1;
      } else if (sign < ' ') {
        mended += JSON.stringify(sign).slice(1, -1);
        escaped = true;
      } else {
        mended += sign;
        inString = sign !== '"';
      }
      continue;
    }
    if (sign === ',' && !'{[,:'.includes(last) && /^\s*[}\]]/.test(text.slice(at + 1, at + 1000))) {
      commas = true;
      continue;
    }
    mended += sign;
    if (sign === '"') inString = true;
    if (sign.trim() !== '') last = sign;
  }
  return { mended, escaped, commas };
}

/** `issuesOf` answers none where a value fits. Undefined: it cannot be made to fit without guessing. */
export function fitted(value: unknown, issuesOf: (value: unknown) => readonly Issue[]): Repaired | undefined {
  const holder = { input: structuredClone(value) };
  const repairs: string[] = [];
  for (let round = 0; round < mostRounds; round += 1) {
    const issues = issuesOf(holder.input);
    if (issues.length === 0) return { value: holder.input, repairs: toTold(repairs) };
    for (const issue of issues) {
      const repair = mendOne(holder, issue);
      // Without this one it will not fit, whatever becomes of the others.
      if (repair === undefined) return undefined;
      repairs.push(repair);
    }
  }
  return undefined;
}

function toTold(repairs: readonly string[]): string[] {
  const left = repairs.length - mostTold;
  return left > 0 ? [...repairs.slice(0, mostTold), `and ${left} more`] : [...repairs];
}

type Container = Record<PropertyKey, unknown>;

/** What was done about an issue; undefined where nothing is certain. */
function mendOne(holder: { input: unknown }, issue: Issue): string | undefined {
  const whole = ['input', ...issue.path];
  const key = whole.at(-1) ?? 'input';
  const outer = at(holder, whole.slice(0, -1));
  // Assigning `__proto__` would set the prototype, not an argument.
  if (!outer || !Object.hasOwn(outer, key) || key === '__proto__') return undefined;
  const name = nameOf(issue.path);
  const value = outer[key];
  if (issue.code === 'unrecognized_keys') {
    const keys = issue.keys ?? [];
    for (const each of keys) delete (value as Container)[each];
    const names = keys.slice(0, mostTold).map((each) => nameOf([...issue.path, each]));
    return `${names.join(', ')}: not an argument of this tool, left out`;
  }
  if (value === null) {
    if (issue.path.length === 0 || Array.isArray(outer)) return undefined;
    delete outer[key];
    return `${name}: null, left out`;
  }
  const read = readAs(issue, value);
  if (!read) return undefined;
  outer[key] = read.value;
  return `${name}: ${read.how}`;
}

function readAs(issue: Issue, value: unknown): { value: unknown; how: string } | undefined {
  const { code, expected = '' } = issue;
  if (code !== 'invalid_type' && code !== 'invalid_value') return undefined;
  if (expected === 'array') return asList(value);
  if (Array.isArray(value))
    return value.length === 1 ? { value: value[0], how: 'a list of one, read as its value' } : undefined;
  if (typeof value !== 'string') return undefined;
  if (expected === 'object' || expected === 'record') {
    const read = readJson(value)?.value;
    const isObject = typeof read === 'object' && read !== null && !Array.isArray(read);
    return isObject ? { value: read, how: 'JSON within a string, read' } : undefined;
  }
  // Only as JavaScript itself writes it: no digit may be lost.
  if ((expected === 'number' || expected === 'int') && String(Number(value)) === value && /\d/.test(value))
    return { value: Number(value), how: 'a number in quotes, read as one' };
  if (expected === 'boolean' && /^(true|false)$/i.test(value))
    return { value: value.toLowerCase() === 'true', how: 'true or false in quotes, read as such' };
  return undefined;
}

function asList(value: unknown): { value: unknown; how: string } | undefined {
  if (typeof value === 'string') {
    const read = readJson(value)?.value;
    if (Array.isArray(read)) return { value: read, how: 'JSON within a string, read' };
    // It may be several values in another notation, or a list that was cut.
    if (value.trim() === '' || /[[\],;\n]/.test(value)) return undefined;
  }
  if (value === undefined) return undefined;
  return { value: [value], how: 'one value, read as a list of it' };
}

function at(holder: object, path: readonly PropertyKey[]): Container | undefined {
  let inner: unknown = holder;
  for (const key of path) {
    if (typeof inner !== 'object' || inner === null || !Object.hasOwn(inner, key)) return undefined;
    inner = (inner as Container)[key];
  }
  return typeof inner === 'object' && inner !== null ? (inner as Container) : undefined;
}

// The model chose the names.
const longestName = 80;

function nameOf(path: readonly PropertyKey[]): string {
  return path.length === 0 ? 'all' : path.map(String).join('.').slice(0, longestName);
}
