// The one function that hides known secret values, whole or split over pieces, as they are or in a usual encoding.
// It knows values, not shapes: what it was not told of it cannot hide.
export interface Redactor {
  text: (value: string) => string;
  /** For one stream of pieces: what was pushed comes out whole, as early as it cannot be the start of a secret. */
  stream(): RedactedStream;
  /** Hides one more value from now on, also in what open streams have not let out yet. */
  learn(value: string): void;
}

export interface RedactedStream {
  push(chunk: string): string;
  end(): string;
}

// Shorter values are words that occur everywhere, and a reader who can guess them needs no log.
const shortestSecret = 6;
// Encoded pieces below this many characters would hide ordinary text too.
const shortestPiece = 8;

const usualMark = '[redacted]';
// For secrets that look like the usual mark itself.
const otherMark = '[***]';

/** The part of a Base64 text that a value alone decides when it starts at one of three places in what was encoded. */
function base64Pieces(bytes: Buffer): string[] {
  return [0, 1, 2].flatMap((before) => {
    const encoded = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64');
    const piece = encoded.slice(Math.ceil((before * 8) / 6), Math.floor(((before + bytes.length) * 8) / 6));
    if (piece.length < shortestPiece) return [];
    return [piece, piece.replaceAll('+', '-').replaceAll('/', '_')];
  });
}

function formsOf(secret: string): string[] {
  const bytes = Buffer.from(secret, 'utf8');
  const hex = bytes.toString('hex');
  const inJson = JSON.stringify(secret).slice(1, -1);
  // A lone surrogate has no encoding at all; as a value it is still hidden.
  const inUrl = secret.isWellFormed() ? encodeURIComponent(secret) : secret;
  return [
    secret,
    inJson,
    inUrl,
    inUrl.replaceAll('%20', '+'),
    hex,
    hex.toUpperCase(),
    ...base64Pieces(bytes),
  ];
}

function escapeForPattern(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
}

/** All that is known at one moment. */
interface Known {
  forms: string[];
  longest: number;
  mark: string;
  pattern: RegExp;
}

function toKnown(secrets: Iterable<string>): Known {
  // Longest first: where two begin at one place, the longer one is hidden whole.
  const forms = [...new Set([...secrets].flatMap(formsOf))].sort((left, right) => right.length - left.length);
  return {
    forms,
    longest: forms[0]?.length ?? 0,
    mark: forms.some((form) => usualMark.includes(form)) ? otherMark : usualMark,
    pattern: new RegExp(forms.map(escapeForPattern).join('|') || '(?!)', 'g'),
  };
}

export function createRedactor(values: readonly string[]): Redactor {
  const isSecret = (value: string): boolean => value.length >= shortestSecret;
  const secrets = new Set(values.map((value) => value.trim()).filter(isSecret));
  let known = toKnown(secrets);

  /** Where the text may go on to become a secret; its length when nowhere. */
  function openFrom(text: string, settled: number): number {
    const { forms, longest } = known;
    for (let start = Math.max(settled, text.length - longest + 1); start < text.length; start += 1) {
      const rest = text.slice(start);
      if (forms.some((form) => form.length > rest.length && form.startsWith(rest))) return start;
    }
    return text.length;
  }

  function stream(): RedactedStream {
    let held = '';
    return {
      push(chunk) {
        const { pattern, mark } = known;
        held += chunk;
        let out = '';
        let settled = 0;
        for (;;) {
          // A match counts only where nothing before it, nor a longer one at its own place, is still open.
          const open = openFrom(held, settled);
          pattern.lastIndex = settled;
          const match = pattern.exec(held);
          if (match === null || match.index >= open) {
            out += held.slice(settled, open);
            held = held.slice(open);
            return out;
          }
          out += held.slice(settled, match.index) + mark;
          settled = match.index + match[0].length;
        }
      },
      end() {
        const rest = held.replace(known.pattern, known.mark);
        held = '';
        return rest;
      },
    };
  }

  return {
    text: (value) => value.replace(known.pattern, known.mark),
    stream,
    learn(given) {
      const value = given.trim();
      if (!isSecret(value) || secrets.has(value)) return;
      secrets.add(value);
      known = toKnown(secrets);
    },
  };
}
