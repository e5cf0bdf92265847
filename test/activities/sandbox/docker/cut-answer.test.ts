// An engine that dies in the middle of an answer.
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createEngine, isUnreachable } from '../../../../activities/sandbox/docker/engine.ts';

test('an answer that is cut counts as none, and is not waited for without an end', {
  tags: ['faults'],
}, async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'perdure-cut-'));
  const socket = path.join(folder, 'docker.sock');
  const server = createServer((client) => {
    client.once('data', () => {
      client.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"ID":', () => client.destroy());
    });
  });
  server.listen(socket);
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    rmSync(folder, { recursive: true });
  });
  const docker = await createEngine(socket).calls();
  await expect(docker.info()).rejects.toSatisfy(isUnreachable);
});
