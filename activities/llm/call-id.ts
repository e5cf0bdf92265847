// The id of a call in the form a server takes.
import { createHash } from 'node:crypto';
import type { Taken } from './server-profiles.ts';

const letters = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** The same for the same id; two of one conversation are alike once in a hundred million conversations. */
export function callIdFor(id: string, form: Taken['callIds']): string {
  if (form === 'any') return id;
  const digest = createHash('sha256').update(id).digest();
  let rest = digest.readBigUInt64BE(0);
  let short = '';
  for (let place = 0; place < 9; place += 1) {
    short += letters[Number(rest % 62n)];
    rest /= 62n;
  }
  return short;
}
