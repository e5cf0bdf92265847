import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createRedactor } from '../../../activities/store/log/redaction.ts';
import { followFile } from '../../../worker/logs/log-file.ts';
import { createLogging } from '../../../worker/logs/logging.ts';

let folder: string;
let file: string;
let fd: number;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'perdure-logging-'));
  file = path.join(folder, 'test.log');
  fd = openSync(file, 'a');
});

afterEach(() => {
  closeSync(fd);
  rmSync(folder, { recursive: true, force: true });
});

const unchanged = (text: string) => text;

function lines(): Record<string, unknown>[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe('a log', () => {
  test('is JSON with a time, a level in words, a service and the ids of what it is about', () => {
    const { logger, flush } = createLogging({
      service: 'api',
      level: 'info',
      redact: unchanged,
      to: () => fd,
    });
    logger.child({ requestId: 'request-1', runId: 'run-1' }).info('accepted');
    flush();
    expect(lines()).toEqual([
      {
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/) as string,
        level: 'info',
        service: 'api',
        requestId: 'request-1',
        runId: 'run-1',
        msg: 'accepted',
      },
    ]);
  });

  test('writes information after the turn and errors before the call returns, in order', async () => {
    const { logger } = createLogging({ service: 'api', level: 'info', redact: unchanged, to: () => fd });
    logger.info('first');
    expect(lines()).toEqual([]);
    logger.error('second');
    expect(lines().map(({ msg }) => msg)).toEqual(['first', 'second']);
    logger.info('third');
    await expect.poll(() => lines().map(({ msg }) => msg)).toEqual(['first', 'second', 'third']);
  });

  test('keeps 8,000 records of a burst, then one in ten up to 10,000, and counts the rest', async () => {
    const { logger } = createLogging({ service: 'api', level: 'info', redact: unchanged, to: () => fd });
    for (let index = 0; index < 50_000; index += 1) logger.info({ index }, 'burst');
    await expect.poll(() => lines().at(-1)?.['msg']).toBe('log records were dropped');
    const written = lines();
    const kept = written.filter(({ msg }) => msg === 'burst').map(({ index }) => index as number);
    expect(kept.slice(0, 8_001)).toEqual([...Array(8_000).keys(), 8_009]);
    expect(kept.length).toBe(10_000);
    expect(written.at(-1)).toMatchObject({ level: 'warn', dropped: 40_000 });
    // Once it has caught up, every record is kept again.
    logger.info('after');
    await expect.poll(() => lines().at(-1)?.['msg']).toBe('after');
  });

  test('never shows a known secret, in no field and no stack', () => {
    const redactor = createRedactor(['sk-live-"123456']);
    const { logger, flush } = createLogging({
      service: 'api',
      level: 'info',
      redact: (text) => redactor.text(text),
      to: () => fd,
    });
    logger.error(
      { err: new Error('refused sk-live-"123456'), header: 'sk-live-"123456' },
      'with sk-live-"123456',
    );
    flush();
    const [line] = lines();
    expect(line).toMatchObject({
      header: '[redacted]',
      msg: 'with [redacted]',
      err: { message: 'refused [redacted]' },
    });
    expect(readFileSync(file, 'utf8')).not.toContain('123456');
  });

  test('is made again, folder and all, when it was removed', async () => {
    const named = path.join(folder, 'logs', 'named.log');
    const to = followFile(named);
    const { logger } = createLogging({ service: 'api', level: 'info', redact: unchanged, to });
    logger.error('before');
    rmSync(path.dirname(named), { recursive: true });
    // It is looked for once a second.
    await expect
      .poll(() => {
        logger.error('after');
        return existsSync(named) && readFileSync(named, 'utf8');
      })
      .toContain('after');
  });

  test('drops and counts what a file that cannot be had keeps back beyond its bound', async () => {
    let fails = true;
    const to = () => {
      if (fails) throw new Error('no file');
      return fd;
    };
    const { logger } = createLogging({ service: 'api', level: 'info', redact: unchanged, to });
    for (let index = 0; index < 50_000; index += 1) logger.error({ index }, 'burst');
    fails = false;
    await expect.poll(() => lines().at(-1)?.['msg']).toBe('log records were dropped');
    const kept = lines().filter(({ msg }) => msg === 'burst').length;
    expect(kept + (lines().at(-1)?.['dropped'] as number)).toBe(50_000);
    expect(kept).toBeLessThanOrEqual(10_001);
  });

  test('has everything up to a crash and the crash itself', () => {
    const logging = path.resolve(import.meta.dirname, '../../../worker/logs/logging.ts');
    const program = `
      import { createLogging, logCrashes } from ${JSON.stringify(logging)};
      const logging = createLogging({ service: 'worker', level: 'info', redact: (text) => text });
      logCrashes(logging, (error) => process.stderr.write('next step after ' + error.message));
      logging.logger.info('before');
      Promise.reject(new Error('broken'));
    `;
    const ended = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
    const told = ended.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(told.map(({ level, msg }) => [level, msg])).toEqual([
      ['info', 'before'],
      ['fatal', 'the process crashed'],
    ]);
    expect(ended.stderr).toBe('next step after broken');
    expect(ended.status).toBe(1);
  });
});
