import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { createContacts } from '../../../activities/egress/contacts.ts';
import { serve } from './proxy-bench.ts';

test('of one command a hundred hosts are kept that it was refused, and every one that it reached', async () => {
  const contacts = createContacts(() => {});
  const ask = (host: number): void =>
    contacts.refuse({ host: `${host}.example.org`, port: 443 }, 'It was not granted.');
  for (let host = 0; host < 150; host += 1) ask(host);
  for (const host of [0, 149]) ask(host);
  const listed = contacts.list();
  expect(listed).toHaveLength(100);
  expect([listed[0], listed.at(-1)]).toMatchObject([
    { host: '0.example.org', port: 443, connections: 0, refusals: 2, problem: 'It was not granted.' },
    { host: '99.example.org', refusals: 1 },
  ]);
  const port = await serve('127.0.0.1', (_request, response) => response.end());
  const connection = connect(port, '127.0.0.1');
  contacts.count({ host: 'site.test', port }, connection);
  connection.destroy();
  expect(contacts.list().at(-1)).toMatchObject({ host: 'site.test', connections: 1, refusals: 0 });
});

test('connections of a command that has moved all it may are ended', async () => {
  const port = await serve('127.0.0.1', (_request, response) => response.end('x'.repeat(2000)));
  const connection = connect(port, '127.0.0.1');
  const contacts = createContacts(() => {}, 1000);
  contacts.count({ host: 'site.test', port }, connection);
  connection.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  while (connection.bytesRead < 2000) await once(connection, 'data');
  contacts.list();
  expect([contacts.isSpent(), connection.destroyed]).toEqual([true, true]);
});
