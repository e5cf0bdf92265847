import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runningProcess } from '../../../../worker/process-table.ts';
import { downloadTemporal } from '../../../../worker/supervisor/temporal/temporal-download.ts';

let folder: string;
let site: Server | undefined;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'perdure-executable-'));
});

afterEach(async () => {
  await new Promise((resolve) => (site === undefined ? resolve(undefined) : site.close(resolve)));
  site = undefined;
  rmSync(folder, { recursive: true, force: true });
});

const archiveName = 'temporal_cli_1.5.1_linux_amd64.tar.gz';

function makeScript(file: string, body: string): void {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, `#!/bin/sh\n${body}\n`);
  chmodSync(file, 0o755);
}

const makeProgram = (file: string, answer: string): void => makeScript(file, `echo '${answer}'`);

/** A release site on loopback: the question, the archive and the list of checksums. */
async function openSite({
  checksum,
  isSlow = false,
}: {
  checksum?: string;
  isSlow?: boolean;
} = {}): Promise<string> {
  makeProgram(path.join(folder, 'release', 'temporal'), 'temporal version 1.5.1 (Server 1.29.1, UI 2.42.1)');
  execFileSync('tar', [
    '-czf',
    path.join(folder, archiveName),
    '-C',
    path.join(folder, 'release'),
    'temporal',
  ]);
  const archive = readFileSync(path.join(folder, archiveName));
  const actual = createHash('sha256').update(archive).digest('hex');
  const opened = createServer((request, response) => {
    const { pathname, origin } = new URL(request.url ?? '', `http://${request.headers.host}`);
    const archiveUrl = `${origin}/v1.5.1/${archiveName}`;
    const answers: Record<string, string | Buffer> = {
      '/cli/v1.5.1': JSON.stringify({ archiveUrl }),
      '/v1.5.1/checksums.txt': `${'0'.repeat(64)}  other.tar.gz\n${checksum ?? actual}  ${archiveName}\n`,
      [`/v1.5.1/${archiveName}`]: archive,
    };
    const answer = answers[pathname];
    const length = Buffer.byteLength(answer ?? '');
    response.writeHead(answer === undefined ? 404 : 200, { 'content-length': length });
    if (answer === archive && isSlow) response.write(archive.subarray(0, archive.length / 2));
    else response.end(answer);
  });
  site = opened;
  await new Promise<void>((resolve) => opened.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(opened.address() as { port: number }).port}`;
}

describe('the download', () => {
  test('keeps a program whose checksum is the release list’s, and says how it gets on', async () => {
    const origin = await openSite();
    const target = path.join(folder, 'kept', 'temporal');
    const said: string[] = [];
    await downloadTemporal({ origin, version: '1.5.1', target, say: (line) => said.push(line) });
    expect(execFileSync(target, ['--version'], { encoding: 'utf8' })).toContain('Server 1.29.1');
    expect(said.at(-1)).toBe('Fetching the Temporal server: 100 %');
    expect(readdirSync(path.dirname(target))).toEqual(['temporal']);
  });

  test('keeps nothing when the checksum is another or is not listed', async () => {
    const origin = await openSite({ checksum: 'f'.repeat(64) });
    const target = path.join(folder, 'kept', 'temporal');
    const input = { origin, version: '1.5.1', target, say: () => undefined };
    await expect(downloadTemporal(input)).rejects.toThrow(/checksum is [0-9a-f]{64} instead of f{64}/);
    expect(readdirSync(path.dirname(target))).toEqual([]);
    await expect(downloadTemporal({ ...input, version: '9.9.9' })).rejects.toThrow('answered 404');
  });

  test('ends when it is stopped half way, and keeps nothing', async () => {
    const origin = await openSite({ isSlow: true });
    const target = path.join(folder, 'kept', 'temporal');
    const stopped = new AbortController();
    const say = () => stopped.abort(new Error('stopped'));
    await expect(
      downloadTemporal({ origin, version: '1.5.1', target, say, signal: stopped.signal }),
    ).rejects.toThrow('stopped');
    expect(readdirSync(path.dirname(target))).toEqual([]);
  });
});

describe('the search for a Temporal program', () => {
  interface Answer {
    file?: string;
    problem?: string;
  }

  /** In a process of its own, because the search goes by the environment. */
  function startSearch(searchPath: string): { answer: Promise<Answer>; stop(): void } {
    const program = `
      import { temporalExecutable } from ${JSON.stringify(path.resolve(import.meta.dirname, '../../../../worker/supervisor/temporal/temporal-executable.ts'))};
      const stopped = new AbortController();
      process.once('SIGINT', () => stopped.abort(new Error('stopped')));
      const input = { cacheFolder: ${JSON.stringify(path.join(folder, 'cache'))}, downloadOrigin: 'http://127.0.0.1:1', signal: stopped.signal };
      const answer = await temporalExecutable(input).then((file) => ({ file }), ({ message }) => ({ problem: message }));
      process.stdout.write(JSON.stringify(answer));
    `;
    const searched = promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], {
      env: { PATH: searchPath, HOME: folder },
    });
    const answer = searched.then(({ stdout, stderr }) => {
      expect(stderr).toBe('');
      return JSON.parse(stdout) as Answer;
    });
    return { answer, stop: () => searched.child.kill('SIGINT') };
  }

  const find = (searchPath: string): Promise<Answer> => startSearch(searchPath).answer;

  const bin = () => path.join(folder, 'bin');
  const kept = () => path.join(folder, 'cache', 'temporal', '1.5.1', 'temporal');

  test('takes the one on PATH, and the kept one when that is too old', async () => {
    makeProgram(kept(), 'temporal version 1.5.1 (Server 1.29.1, UI 2.42.1)');
    makeProgram(path.join(bin(), 'temporal'), 'temporal version 1.4.0 (Server 1.28.0, UI 2.39.0)');
    expect((await find(bin())).file).toBe(path.join(bin(), 'temporal'));
    makeProgram(path.join(bin(), 'temporal'), 'temporal version 0.9.0 (Server 1.20.0)');
    expect((await find(bin())).file).toBe(kept());
  });

  test('names every source and what to do when there is none', async () => {
    const { problem } = await find(path.join(folder, 'empty'));
    expect(problem).toMatch(
      /^There is no Temporal server to start \(PATH: nothing there; .*; go install: nothing there\): install the temporal CLI/,
    );
    expect(problem).toContain('TEMPORAL_ADDRESS');
    expect(existsSync(kept())).toBe(false);
  });

  test('ends a build that is stopped, and keeps nothing of it', async () => {
    const pidFile = path.join(folder, 'pid');
    // Writes where it was told to, then takes its minutes.
    const body = `[ "$1" = env ] && exit; : > "$GOBIN/half"; echo $$ > ${pidFile}; exec /bin/sleep 600`;
    makeScript(path.join(bin(), 'go'), body);
    symlinkSync('/usr/bin/env', path.join(bin(), 'env'));
    const search = startSearch(bin());
    await expect.poll(() => existsSync(pidFile) && readFileSync(pidFile, 'utf8')).toMatch(/\d+\n/);
    search.stop();
    expect((await search.answer).problem).toBe('stopped');
    expect(runningProcess(Number(readFileSync(pidFile, 'utf8')))).toBeUndefined();
    expect(readdirSync(path.dirname(kept()))).toEqual([]);
  });
});
