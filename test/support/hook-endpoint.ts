// An endpoint of others on loopback, which answers as a test says. It checks what it gets with the script that the README
// shows, taken out of it.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { onTestFinished } from 'vitest';
import { createWebhookSender, type WebhookSender } from '../../activities/egress/send-webhook.ts';
import { publicEgress } from '../../activities/egress/egress.ts';
import type { Event } from '../../workflows/contracts/event.ts';

export interface Got {
  id: string;
  headers: IncomingHttpHeaders;
  body: string;
  message: { type: string; timestamp: string; data: Event };
}

/** What it does with a request; nothing: it answers 204. */
export type Answering = (got: Got, response: ServerResponse) => unknown;

export interface HookEndpoint {
  url: string;
  /** Everything it was sent, in the order of arrival. */
  got: Got[];
  answers(how: Answering): void;
  /** Numbers of the events it has got, each at its first arrival. */
  seqs(): number[];
  close(): Promise<void>;
}

export async function openEndpoint(port = 0): Promise<HookEndpoint> {
  const got: Got[] = [];
  let answer: Answering = () => undefined;
  const server = createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on('data', (piece: Buffer) => void pieces.push(piece));
    request.on('end', () => {
      const body = Buffer.concat(pieces).toString();
      const { headers } = request;
      const one = { id: String(headers['webhook-id']), headers, body, message: JSON.parse(body) };
      got.push(one);
      if (answer(one, response) === undefined && !response.headersSent) response.writeHead(204).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const close = (): Promise<void> => closed(server);
  onTestFinished(close);
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    got,
    answers(how) {
      answer = how;
    },
    seqs: () => [...new Set(got.map(({ message }) => message.data.seq))],
    close,
  };
}

function closed(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => void server.close(() => resolve()));
}

/** One that reaches loopback. */
export function localSender(...endpoints: { url: string }[]): WebhookSender {
  return createWebhookSender(
    publicEgress,
    endpoints.map(({ url }) => new URL(url).host),
  );
}

type IsGenuine = (secret: string, headers: IncomingHttpHeaders, body: string) => boolean;

/** The script of the README. */
export async function shownCheck(): Promise<IsGenuine> {
  const readme = await readFile(path.join(import.meta.dirname, '../../api/README.md'), 'utf8');
  const [, script] = /<!-- table: webhook -->\s*```js\n([\s\S]*?)```/.exec(readme) ?? [];
  if (script === undefined) throw new Error('The README shows no script.');
  const folder = await mkdtemp(path.join(tmpdir(), 'perdure-hook-'));
  const file = path.join(folder, 'check.mjs');
  await writeFile(file, script);
  const { isGenuine } = (await import(pathToFileURL(file).href)) as { isGenuine: IsGenuine };
  await rm(folder, { recursive: true });
  return isGenuine;
}
