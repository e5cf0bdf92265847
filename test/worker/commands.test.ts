import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { databaseProblem } from '../../worker/supervisor/postgres/database-problem.ts';
import type { PostgresServer } from '../../worker/supervisor/postgres/postgres.ts';
import { startPostgres } from '../../worker/supervisor/postgres/postgres.ts';
import { findProcesses } from '../../worker/process-table.ts';
import { testPort } from '../support/ports.ts';

const main = path.resolve(import.meta.dirname, '../../worker/main.ts');

let folder: string;
let server: PostgresServer | undefined;
let follower: ChildProcess | undefined;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'perdure-commands-'));
});

afterEach(async () => {
  follower?.kill('SIGKILL');
  follower = undefined;
  await server?.stop();
  server = undefined;
  rmSync(folder, { recursive: true, force: true });
});

const environment = (more: Record<string, string> = {}) => ({
  PATH: process.env['PATH'] ?? '',
  HOME: folder,
  PERDURE_DATA: folder,
  ...more,
});

function run(
  args: string[],
  more: Record<string, string> = {},
): { code: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], {
    env: environment(more),
    encoding: 'utf8',
  });
  return { code: status, out: stdout, err: stderr };
}

function openServer(): Promise<PostgresServer> {
  return startPostgres({
    folder: path.join(folder, 'postgres'),
    port: 0,
    logFile: path.join(folder, 'logs', 'postgres.log'),
  });
}

describe('perdure config', () => {
  test('shows each setting with where it comes from, and no secret', () => {
    const { code, out } = run(['config', '--port', '9000'], {
      OPENAI_API_KEY: 'sk-canary',
      PERDURE_LLM_SLOTS: '2',
    });
    const lines = out.trim().split('\n');
    expect(code).toBe(0);
    expect(lines).toEqual(
      expect.arrayContaining([
        'port\t9000\t--port',
        'llmSlots\t2\tPERDURE_LLM_SLOTS',
        'openaiApiKey\t(set, not shown)\tOPENAI_API_KEY',
      ]),
    );
    expect(out + run(['config', '--json'], { OPENAI_API_KEY: 'sk-canary' }).out).not.toContain('canary');
  });
});

describe('perdure db', () => {
  test('migrates the embedded database up and down, and leaves nothing running', {
    tags: ['faults'],
  }, async () => {
    const port = String(await testPort());
    const db = (name: string) => run(['db', name], { PERDURE_POSTGRES_PORT: port });
    const up = db('up');
    expect([up.code, up.err]).toEqual([0, '']);
    expect(up.out).toMatch(/^up {4}0001-/);
    expect(db('up').out).toBe('The database is up to date.\n');
    const names = up.out
      .trim()
      .split('\n')
      .map((line) => line.slice(6));
    expect(db('current').out).toBe(`${names.at(-1)}\n`);
    expect(db('down').out).toBe(`down  ${names.at(-1)}\n`);
    expect(
      db('history')
        .out.split('\n')
        .filter((line) => line.startsWith('not applied')).length,
    ).toBe(1);
    expect(findProcesses((command) => command.includes(folder))).toEqual([]);
    expect(db('sideways')).toEqual({
      code: 2,
      out: '',
      err: 'perdure: perdure db takes one of: up, down, current, history.\n',
    });
  });

  test('uses a server that runs and leaves it running', async () => {
    server = await openServer();
    expect(run(['tokens', 'remake']).err).toContain('bring it up with `perdure db up` first');
    expect(run(['db', 'up']).code).toBe(0);
    const client = new pg.Client({ connectionString: server.url });
    await client.connect();
    expect((await client.query("select to_regclass('runs') is not null as made")).rows).toEqual([
      { made: true },
    ]);
    const remake = () => run(['tokens', 'remake']);
    const tokenFile = path.join(folder, 'token');
    expect(remake()).toEqual({
      code: 0,
      out: `A new token is in ${tokenFile}. The one that was there before is revoked; the audit says so.\n`,
      err: '',
    });
    const first = readFileSync(tokenFile, 'utf8');
    expect(remake().code).toBe(0);
    const second = readFileSync(tokenFile, 'utf8');
    expect([second === first, statSync(tokenFile).mode & 0o777]).toEqual([false, 0o600]);
    const hash = (value: string) => createHash('sha256').update(value.trim()).digest();
    const states = await client.query('select hash, revoked_at is null as counts from tokens order by id');
    expect(states.rows).toEqual([
      { hash: hash(first), counts: false },
      { hash: hash(second), counts: true },
    ]);
    expect((await client.query("select actor from audit where action = 'token-remake'")).rowCount).toBe(2);
    const log = readFileSync(path.join(folder, 'logs', 'supervisor.log'), 'utf8');
    expect(log).toContain('made anew with `perdure tokens remake`');
    expect(log).not.toContain(second.trim());
    await client.end();
  });

  test('a folder without a server gets no token, and no database', () => {
    expect(run(['tokens', 'remake'])).toEqual({
      code: 2,
      out: '',
      err: `perdure: There is no server in ${folder}: call this where the server was started, or name its folder with --data.\n`,
    });
    expect(existsSync(path.join(folder, 'postgres'))).toBe(false);
  });
});

describe('in a terminal', () => {
  const canOpenTerminals = spawnSync('script', ['--version']).stdout?.includes('util-linux') ?? false;
  const noEngine = { DOCKER_HOST: 'unix:///nowhere/docker.sock' };

  function drawn(command: string, columns: number): string {
    const line = `stty cols ${columns}; ${process.execPath} ${main} ${command}`;
    return spawnSync('script', ['-qec', line, '/dev/null'], {
      env: environment({ ...noEngine, SHELL: '/bin/sh', TERM: 'xterm' }),
      encoding: 'utf8',
    }).stdout;
  }

  test.skipIf(!canOpenTerminals).each([
    ['config', 50],
    ['config', 80],
    ['sandbox doctor', 50],
    ['sandbox doctor', 80],
  ])('%s fits %d columns, with each word', (command, columns) => {
    const told = JSON.parse(run([...command.split(' '), '--json'], noEngine).out);
    const rows: object[] = Array.isArray(told) ? told : told.sandboxes;
    // A word that is longer than the terminal is cut, as a path may be.
    const words = rows
      .flatMap((row) => Object.values(row).flat())
      .flatMap((text) => (typeof text === 'string' ? text.split(/[ ,]/) : []))
      .filter((word) => word.length < columns - 20);
    const lines = drawn(command, columns).split('\r\n');
    expect({
      count: words.length > 20,
      missing: words.filter((word) => !lines.some((line) => line.includes(word))),
      tooLong: lines.filter((line) => line.length > columns),
    }).toEqual({ count: true, missing: [], tooLong: [] });
  });

  test('the doctor of sandboxes says of each whether it is usable', () => {
    const { sandboxes } = JSON.parse(run(['sandbox', 'doctor', '--json'], noEngine).out) as {
      sandboxes: { mode: string; usable: boolean }[];
    };
    expect(sandboxes.flatMap(({ mode, usable }) => (mode === 'bubblewrap' ? [] : [[mode, usable]]))).toEqual([
      ['mount', true],
      ['sandbox', false],
      ['container', false],
    ]);
  });
});

describe('every command of the process side', () => {
  test.each(['config', 'logs', 'db up', 'serve', 'sandbox doctor', 'tokens remake'])(
    '%s prints its help and ends with 0',
    (words) => {
      const { code, out, err } = run([...words.split(' '), '--help']);
      expect([code, err]).toEqual([0, '']);
      const usage = words.replace(/ (up|doctor)$/, '');
      expect(out).toMatch(new RegExp(`^Usage: perdure ${usage} .*\\n\\n.*\\n`));
    },
  );
});

describe('a database of DATABASE_URL', () => {
  test('that cannot serve is refused in one sentence that says what to do', async () => {
    server = await openServer();
    const client = new pg.Client({ connectionString: server.url });
    await client.connect();
    await client.query(
      "create database old encoding 'SQL_ASCII' template template0 locale_provider libc locale 'C'",
    );
    await client.query("create role reader login password 'reader'");
    await client.query("create role frozen login password 'frozen'");
    await client.query('grant create on schema public to frozen');
    await client.query('alter role frozen set default_transaction_read_only = on');
    await client.end();
    const as = (user: string, database = 'perdure') =>
      `postgres://${user}:${user}@127.0.0.1:${server?.port}/${database}`;
    expect(await databaseProblem(server.url)).toBeUndefined();
    expect(await databaseProblem(server.url.replace(/\/perdure$/, '/old'))).toMatch(
      /is encoded as SQL_ASCII: make one with encoding UTF8/,
    );
    expect(await databaseProblem(as('reader'))).toMatch(/may not make tables: grant it create/);
    expect(await databaseProblem(as('frozen'))).toMatch(/is read-only/);
    expect(await databaseProblem(as('nobody'))).toMatch(
      /cannot be reached \(.*\): start it or correct the address/,
    );
    expect(await databaseProblem(as('reader', 'gone'))).toMatch(/"gone" does not exist/);
    expect(await databaseProblem('postgres://u:p@127.0.0.1:1/d')).toMatch(/ECONNREFUSED/);
  });
});

describe('perdure logs', () => {
  const logLine = (time: string, level: string, message: string, more = {}) =>
    `${JSON.stringify({ level, time: `2026-11-21T05:00:${time}.000Z`, service: 'x', msg: message, ...more })}\n`;

  beforeEach(() => {
    mkdirSync(path.join(folder, 'logs'));
    chmodSync(folder, 0o700);
    writeFileSync(path.join(folder, 'logs', 'api.log.1'), logLine('01', 'info', 'oldest'));
    writeFileSync(path.join(folder, 'logs', 'api.log'), logLine('03', 'error', 'third', { requestId: 'r1' }));
    writeFileSync(
      path.join(folder, 'logs', 'worker.log'),
      logLine('02', 'info', 'second', { requestId: 'r1' }) + logLine('04', 'info', 'fourth'),
    );
  });

  const texts = (out: string) =>
    out
      .trim()
      .split('\n')
      .map((line) => /(oldest|second|third|fourth|fifth)/.exec(line)?.[1]);

  test('are one list by time, and can be narrowed to a process, to errors or to a request', () => {
    expect(texts(run(['logs']).out)).toEqual(['oldest', 'second', 'third', 'fourth']);
    expect(texts(run(['logs', '--process', 'worker']).out)).toEqual(['second', 'fourth']);
    expect(texts(run(['logs', '--errors']).out)).toEqual(['third']);
    expect(texts(run(['logs', '--request', 'r1']).out)).toEqual(['second', 'third']);
    expect(run(['logs', '--process', 'db'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('--process is one of') as string,
    });
  });

  test('are followed as they grow and after they were cut', async () => {
    const child = spawn(process.execPath, [main, 'logs', '-f'], {
      env: environment(),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    follower = child;
    let out = '';
    child.stdout.on('data', (piece: Buffer) => {
      out += piece.toString('utf8');
    });
    await expect.poll(() => out).toContain('fourth');
    appendFileSync(path.join(folder, 'logs', 'api.log'), logLine('05', 'info', 'fifth').slice(0, 20));
    appendFileSync(path.join(folder, 'logs', 'api.log'), logLine('05', 'info', 'fifth').slice(20));
    await expect.poll(() => texts(out)).toEqual(['oldest', 'second', 'third', 'fourth', 'fifth']);
    writeFileSync(path.join(folder, 'logs', 'worker.log'), logLine('06', 'info', 'second again'));
    await expect.poll(() => texts(out).at(-1)).toBe('second');
  });
});
