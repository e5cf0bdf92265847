// The rows in which a server says that something is wrong, or something else than an answer.
import { begun, data, type Fault, type Outcome } from './fault.ts';

const words = { message: 'The GPU is on fire.' };

/** An error in an envelope, inside the stream and in place of it. */
function told(family: string, name: string, value: unknown, becomes: Outcome): Fault[] {
  return [
    {
      family,
      name: `${name}, inside the stream`,
      plays: (wire) => ({ script: [...begun(wire), data(value)] }),
      becomes,
    },
    {
      family,
      name: `${name}, as a document`,
      plays: () => ({ type: 'application/json', script: [JSON.stringify(value)] }),
      becomes,
    },
  ];
}

const fire = /The GPU is on fire/;
export const errors: Fault[] = [
  {
    family: 'nothing listens there',
    name: 'a refused connection',
    plays: () => undefined,
    becomes: { kind: 'network', says: /no connection to http:\/\/127\.0\.0\.1:\d+: nothing listens/ },
  },
  ...told(
    '5xx, in any envelope',
    '{error} with a numeric code',
    { error: { ...words, code: 503 } },
    { kind: 'overloaded', says: fire },
  ),
  ...told(
    '429, in any envelope',
    '{error} with a code as text',
    { error: { ...words, code: '429' } },
    { kind: 'rate_limited', says: fire },
  ),
  ...told(
    'an error without a status, in any envelope',
    '{error} as a sentence',
    { error: words.message },
    { kind: 'overloaded', says: fire },
  ),
  ...told(
    '400, in any envelope',
    '{object: "error"}',
    { object: 'error', ...words, code: 400 },
    { kind: 'bad_request', says: fire },
  ),
  ...told(
    '401, in any envelope',
    '{detail}',
    { detail: words.message, status: 401 },
    { kind: 'auth', says: fire },
  ),
  ...told('5xx, in any envelope', 'an array', [{ error: { ...words, code: 500 } }], {
    kind: 'overloaded',
    says: fire,
  }),
  ...told('an error without a status, in any envelope', 'a string', words.message, {
    kind: 'overloaded',
    says: fire,
  }),
  ...told(
    'a conversation that is too long, by 413 or in words',
    'a conversation that is too long, with 500',
    { error: { code: 500, message: 'Context size has been exceeded.' } },
    { kind: 'context_too_long', says: /Context size/ },
  ),
  {
    family: 'an error without a status, in any envelope',
    name: 'an event of the name "error"',
    plays: (wire) => ({
      script: [...begun(wire), 'event: error\n', 'data: The GPU is on fire.\n\n'],
      socket: 'open',
    }),
    becomes: { kind: 'overloaded', says: fire },
  },
  {
    family: '5xx, in any envelope',
    name: 'a field of the name "error", in two pieces',
    plays: (wire) => ({
      script: [...begun(wire), 'error: {"code":503,', 20, '"message":"The GPU is on fire."}\n\n'],
      socket: 'open',
    }),
    becomes: { kind: 'overloaded', says: fire },
  },
  {
    family: '5xx, in any envelope',
    name: 'an error without any field',
    plays: (wire) => ({
      script: [...begun(wire), '{"error":{"code":503,"message":"The GPU is on fire."}}\n'],
      socket: 'open',
    }),
    becomes: { kind: 'overloaded', says: fire },
  },
  {
    family: 'a page or a sentence in place of an answer',
    name: 'a page of HTML with status 200',
    plays: () => ({ type: 'text/html', script: ['<html><h1>Sign in to the hotel</h1></html>'] }),
    becomes: { kind: 'unreadable', says: /sent what is no answer of its format: Sign in to the hotel/ },
  },
  {
    family: 'a page or a sentence in place of an answer',
    name: 'a sentence with status 200',
    plays: () => ({ type: 'text/plain', script: ['internal error'] }),
    becomes: { kind: 'unreadable', says: /internal error/ },
  },
  {
    family: 'a conversation that is too long, by 413 or in words',
    name: '413',
    plays: () => ({ status: 413, type: 'text/html', script: ['<h1>Request Entity Too Large</h1>'] }),
    becomes: { kind: 'context_too_long', says: /Request Entity Too Large \(status 413\)/ },
  },
  {
    family: 'an account with nothing left',
    name: 'an account with nothing left',
    plays: () => ({
      status: 429,
      type: 'application/json',
      script: [JSON.stringify({ error: { message: 'No', code: 'insufficient_quota' } })],
    }),
    becomes: { kind: 'auth', says: /the account has nothing left; it is not tried again: No/ },
  },
];
