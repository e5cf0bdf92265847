// The floors that are a plain HTTP server, in a process of their own: a model piped straight through, frames from
// memory to many readers, and the rows of a stream selected and written. Usage: floor-server.ts DATABASE-URL.
import Fastify from 'fastify';
import type { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import pg from 'pg';
import { collectWhenQuiet } from '../../../worker/idle-garbage.ts';
import { now } from './product.ts';

const pool = new pg.Pool({ connectionString: process.argv[2] ?? '', max: 4 });
const app = Fastify();
// As the product does: what a reader costs is compared without garbage.
collectWhenQuiet({
  every(_name, everyMs, act) {
    const timer = setInterval(act, everyMs);
    return () => clearInterval(timer);
  },
});
const head = { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' };

app.get<{ Querystring: { model: string } }>('/pipe', async (request, reply) => {
  const body = JSON.stringify({ model: 'fake', stream: true, messages: [{ role: 'user', content: 'Go.' }] });
  const answer = await fetch(`${request.query.model}/chat/completions`, { method: 'POST', body });
  reply.hijack();
  reply.raw.writeHead(200, head);
  if (answer.body) Readable.from(answer.body).pipe(reply.raw);
});

app.get<{ Querystring: { stream: string; after: string } }>('/rows', async (request, reply) => {
  reply.hijack();
  reply.raw.writeHead(200, head);
  const { rows } = await pool.query<{ seq: string; type: string }>(
    'select stream, seq, conversation_seq, at, type, version, attempt, payload from events where stream = $1 and seq > $2 order by seq',
    [request.query.stream, request.query.after],
  );
  const frames = rows.map((row) => `id: ${row.seq}\nevent: ${row.type}\ndata: ${JSON.stringify(row)}\n\n`);
  reply.raw.end(frames.join(''));
});

const readers = new Map<string, Set<ServerResponse>>();

app.get<{ Params: { group: string } }>('/fan/:group', (request, reply) => {
  reply.hijack();
  reply.raw.writeHead(200, head);
  reply.raw.flushHeaders();
  const group = readers.get(request.params.group) ?? new Set();
  readers.set(request.params.group, group.add(reply.raw));
  reply.raw.on('close', () => group.delete(reply.raw));
});

const numbers = new Map<string, number>();
let timer: NodeJS.Timeout | undefined;

/**
 * Writes `perTick` frames to each reader at every tick, each as it is: one buffer for all readers of a group, one write
 * for each reader. 0 stops it. The frames are as long as the product's.
 */
function writeFrames(everyMs: number, perTick: number, frame: string): void {
  clearInterval(timer);
  if (perTick === 0) return;
  timer = setInterval(() => {
    for (const [group, responses] of readers) {
      const from = numbers.get(group) ?? 0;
      numbers.set(group, from + perTick);
      const frames = Array.from({ length: perTick }, (_, index) =>
        frame.replace('NUMBER', String(from + index + 1)).replace('TIME', `@${now()}@`),
      );
      const buffers = frames.map((text) => Buffer.from(text));
      for (const response of responses) for (const bytes of buffers) response.write(bytes);
    }
  }, everyMs);
}

type Order = { everyMs: number; perTick: number; frame: string };
process.on('message', (order: Order) => {
  writeFrames(order.everyMs, order.perTick, order.frame);
  process.send?.('written');
});
process.on('disconnect', () => process.exit(0));
const url = await app.listen({ host: '127.0.0.1', port: 0 });
process.send?.({ port: Number(new URL(url).port) });
