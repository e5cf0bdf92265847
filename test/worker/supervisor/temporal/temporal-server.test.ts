import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Connection } from '@temporalio/client';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { temporalIdentityProblem } from '../../../../worker/supervisor/temporal/temporal-identity.ts';
import type {
  TemporalInput,
  TemporalServer,
} from '../../../../worker/supervisor/temporal/temporal-server.ts';
import { startTemporal } from '../../../../worker/supervisor/temporal/temporal-server.ts';
import { testPort } from '../../../support/ports.ts';

let folder: string;
let server: TemporalServer | undefined;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'perdure-temporal-'));
});

afterEach(async () => {
  await server?.stop();
  server = undefined;
  rmSync(folder, { recursive: true, force: true });
});

const place = (
  ports: Pick<TemporalServer, 'port' | 'ui'> = { port: 0, ui: undefined },
  name = 'temporal',
): TemporalInput => ({
  folder: path.join(folder, name),
  logFile: path.join(folder, `${name}.log`),
  port: ports.port,
  ui: ports.ui ?? 'hidden',
});

async function startAndDie(): Promise<Pick<TemporalServer, 'pid' | 'port' | 'ui'>> {
  const program = `
    import { startTemporal } from ${JSON.stringify(path.resolve(import.meta.dirname, '../../../../worker/supervisor/temporal/temporal-server.ts'))};
    const { pid, port, ui } = await startTemporal(${JSON.stringify(place())});
    process.stdout.write(JSON.stringify({ pid, port, ui }), () => process.kill(process.pid, 'SIGKILL'));
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const pieces: Buffer[] = [];
  child.stdout.on('data', (piece: Buffer) => pieces.push(piece));
  await new Promise((resolve) => child.once('close', resolve));
  return JSON.parse(Buffer.concat(pieces).toString('utf8')) as Pick<TemporalServer, 'pid' | 'port' | 'ui'>;
}

describe('the embedded Temporal server', () => {
  test('has our namespace and search attributes', async () => {
    server = await startTemporal(place());
    const connection = await Connection.connect({ address: server.address });
    try {
      const { customAttributes } = await connection.operatorService.listSearchAttributes({
        namespace: 'perdure',
      });
      expect(Object.keys(customAttributes)).toEqual(
        expect.arrayContaining(['PerdureTenant', 'PerdureConversation', 'PerdureStatus']),
      );
    } finally {
      await connection.close();
    }
  });

  test('is taken over by the next start when its starter was killed', async () => {
    const before = await startAndDie();
    server = await startTemporal(place());
    const { pid, port, ui, takenOver } = server;
    expect({ pid, port, ui, takenOver }).toEqual({ ...before, takenOver: true });
  });

  test('that is frozen is replaced on its own file and stays the same cluster', {
    tags: ['faults'],
  }, async () => {
    const first = await startTemporal(place());
    process.kill(first.pid, 'SIGSTOP');
    server = await startTemporal(place());
    expect(server.takenOver).toBe(false);
    expect(server.pid).not.toBe(first.pid);
    expect(server.identity).toEqual(first.identity);
  });

  test('is the same cluster after a kill, and another folder is another cluster', async () => {
    const first = await startTemporal(place({ port: await testPort(), ui: undefined }));
    process.kill(first.pid, 'SIGKILL');
    await first.exited;
    server = await startTemporal(place(first));
    const remembered = path.join(folder, 'identity.json');
    expect(temporalIdentityProblem(remembered, first.address, first.identity)).toBeUndefined();
    expect(temporalIdentityProblem(remembered, server.address, server.identity)).toBeUndefined();
    const other = await startTemporal(place(undefined, 'other'));
    try {
      expect(temporalIdentityProblem(remembered, other.address, other.identity)).toMatch(
        /^The Temporal server at \S+ is not the one this data folder has worked with/,
      );
      // The refusal does not make the newcomer the remembered one.
      expect(temporalIdentityProblem(remembered, server.address, server.identity)).toBeUndefined();
    } finally {
      await other.stop();
    }
  });
});
