// What every kind that contains the network does for a command with a way out, by a real proxy to a server of this machine.
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { addressProblem } from '../../../activities/egress/address.ts';
import type { Egress } from '../../../activities/egress/egress.ts';
import { createWaysOut } from '../../../activities/egress/ways-out.ts';
import type { ExecResult, OpenSandbox, SandboxDriver } from '../../../activities/sandbox/sandbox.ts';
import type { NetworkContact } from '../../../workflows/contracts/call.ts';

const filesBelow = (place: string): string[] => readdirSync(place, { recursive: true, encoding: 'utf8' });

export interface LetOut {
  /** Runs a command that may reach these hosts; left out, it has no way out. */
  run(
    command: string,
    hosts: string[] | undefined,
    egress?: Egress,
  ): Promise<{ result: ExecResult; output: string; contacts: NetworkContact[] }>;
}

function letOut(make: (folder: string) => SandboxDriver): LetOut & { folder: string; port(): number } {
  const folder = mkdtempSync(path.join(tmpdir(), 'perdure-way-out-'));
  const sockets = path.join(folder, 'a deep folder '.repeat(10), 'out');
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (part: Buffer) => (body += part.toString()));
    request.on('end', () =>
      response.end(`${request.method} ${request.headers.host}${request.url} ${body}\n`),
    );
  });
  let port = 0;
  let opened: OpenSandbox;

  beforeAll(async () => {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    ({ port } = server.address() as AddressInfo);
    opened = await make(folder).open({ id: 'run', tenantId: 'tenant', projectPath: null });
  });

  afterAll(async () => {
    await opened.close('ended');
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  // A world in which every name is on loopback, and loopback stands for a public address.
  const loopback: Egress = {
    resolve: (_hostname, done) => done(null, [{ address: '127.0.0.1', family: 4 }]),
    addressProblem: (address) => (address === '127.0.0.1' ? undefined : addressProblem(address)),
  };

  async function run(command: string, hosts: string[] | undefined, egress = loopback) {
    let output = '';
    const wayOut = hosts && createWaysOut({ folder: sockets, egress }).prepare(hosts, () => {});
    const sandbox = await opened.forCall();
    const result = await sandbox.exec({
      ...{ command, key: 'run/1.0', signal: AbortSignal.timeout(50_000) },
      ...(wayOut && { wayOut }),
      onStart: async () => {},
      onOutput: (_from, bytes) => void (output += bytes.toString()),
    });
    await wayOut?.close();
    return { result, output, contacts: wayOut?.contacts() ?? [] };
  }

  return { run, folder, port: () => port };
}

/** `make`: a driver whose files are in the folder, and whose commands have its name as TEST_FOLDER. */
export function wayOutRules(make: (folder: string) => SandboxDriver): LetOut {
  const { run, folder, port } = letOut(make);

  test('a command reaches the host it was granted, through a tunnel and by requests, and no other', async () => {
    const site = `site.test:${port()}`;
    const command = [
      // One stream: two may come in another order.
      'exec 2>&1',
      `curl -sS http://${site}/plain`,
      `curl -sS -d some=words http://${site}/posted`,
      `curl -sS -p http://${site}/tunnelled`,
      `curl -sS http://other.test/secret`,
      `curl -sS -p http://other.test/secret || true`,
      `curl -sS --noproxy '*' http://127.0.0.1:${port()}/around || true`,
    ].join('; ');
    const { result, output, contacts } = await run(command, [site]);
    expect([result, output.split('\n')]).toEqual([
      { exitCode: 0, signal: null },
      [
        `GET ${site}/plain `,
        `POST ${site}/posted some=words`,
        `GET ${site}/tunnelled `,
        'other.test was not granted; the call that runs this command may name it in `hosts`',
        expect.stringMatching(/^curl: .* 403$/),
        expect.stringMatching(/^curl: .*(refused|connect)/),
        '',
      ],
    ]);
    expect(contacts).toEqual([
      {
        ...{ host: 'site.test', port: port(), connections: 3, refusals: 0, problem: null },
        sentBytes: expect.any(Number),
        receivedBytes: expect.any(Number),
      },
      {
        ...{ host: 'other.test', port: 80, connections: 0, sentBytes: 0, receivedBytes: 0, refusals: 2 },
        problem: 'other.test was not granted',
      },
    ]);
    expect(filesBelow(folder).filter((name) => name.endsWith('.sock'))).toEqual([]);
  });

  test('a command without a grant has no way at all', async () => {
    const { output } = await run(
      `curl -sS http://site.test:${port()}/ 2>&1; echo "$HTTP_PROXY" $?`,
      undefined,
    );
    expect(output).toMatch(/^curl: \(6\).*\n 6\n$/);
  });

  test('what hands on its connections is nothing that a command leaves running, and ends with it', async () => {
    const site = `site.test:${port()}`;
    // Until then it is the shell itself that would be told of.
    const begun = 'until [ "$(cat /proc/$!/comm)" = sleep ]; do :; done';
    const { result, output } = await run(`sleep 300 & ${begun}; curl -sS http://${site}/`, [site]);
    expect([result, output]).toEqual([
      {
        exitCode: 0,
        signal: null,
        note: expect.stringMatching(/ended with its shell: process \d+ sleep 300;/),
      },
      `GET ${site}/ \n`,
    ]);
    const left = readdirSync('/proc').filter((name) => {
      try {
        // The shell that waits for the next command in a container is nothing of this one.
        if (/^\/bin\/sh\0-c\0\s*exec 3<&0/.test(readFileSync(`/proc/${name}/cmdline`, 'latin1')))
          return false;
        return readFileSync(`/proc/${name}/environ`, 'latin1').includes(`TEST_FOLDER=${folder}`);
      } catch {
        return false;
      }
    });
    expect(left).toEqual([]);
  });

  return { run };
}
