// Values that must never come out. All have one piece in common, so that a leak is seen whatever it leaked.
import { randomBytes } from 'node:crypto';

const piece = `q${randomBytes(9).toString('hex')}z`;

export const canary = (what: string): string => `${what}-${piece}-${what}`;

/** Finds the canaries, and other secrets, in a text: as they are, backwards, in hex and in Base64. */
export function createCanaryFinder(others: readonly string[] = []): (text: string) => boolean {
  const forms = [piece, ...others].flatMap((secret) => {
    const bytes = Buffer.from(secret);
    const hex = bytes.toString('hex');
    return [secret, [...secret].reverse().join(''), hex, hex.toUpperCase(), ...base64Pieces(bytes)];
  });
  return (text) => forms.some((form) => text.includes(form));
}

/** What stays the same wherever in a longer text the value stands. */
function base64Pieces(bytes: Buffer): string[] {
  return [0, 1, 2].map((before) => {
    const encoded = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64');
    return encoded.slice(Math.ceil((before * 8) / 6), Math.floor(((before + bytes.length) * 8) / 6));
  });
}
