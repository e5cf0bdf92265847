// Fetches the official Temporal program the way the SDK does: ask for the archive's address, fetch it, and, unlike
// the SDK, compare its checksum with the release's own list before anything of it runs.
import { createHash } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';

export interface DownloadInput {
  origin: string;
  version: string;
  /** Where the program is to be; it appears there whole or not at all. */
  target: string;
  say(line: string): void;
  signal?: AbortSignal | undefined;
}

const Address = z.object({ archiveUrl: z.url() });

async function request(url: string | URL, timeoutMs: number, stop?: AbortSignal): Promise<Response> {
  const timeout = AbortSignal.timeout(timeoutMs);
  const signal = stop === undefined ? timeout : AbortSignal.any([timeout, stop]);
  const response = await fetch(url, { signal, redirect: 'follow' });
  if (!response.ok) throw new Error(`${new URL(url).host} answered ${response.status}`);
  return response;
}

async function archiveAddress(input: DownloadInput): Promise<string> {
  const question = new URL(`/cli/v${input.version}`, input.origin);
  question.searchParams.set('platform', process.platform);
  question.searchParams.set('arch', process.arch === 'x64' ? 'amd64' : process.arch);
  // A machine without a way out must not wait: where it works, the answer takes well under a second.
  const { archiveUrl } = Address.parse(await (await request(question, 4_000, input.signal)).json());
  return archiveUrl;
}

async function expectedChecksum(archiveUrl: string, signal?: AbortSignal): Promise<string> {
  const list = await (await request(new URL('checksums.txt', archiveUrl), 10_000, signal)).text();
  const name = path.posix.basename(new URL(archiveUrl).pathname);
  const line = list.split('\n').find((each) => each.trim().endsWith(` ${name}`));
  const checksum = /^[0-9a-f]{64}/.exec(line?.trim() ?? '')?.[0];
  if (checksum === undefined) throw new Error(`the release's list of checksums does not name ${name}`);
  return checksum;
}

function progress(total: number, say: (line: string) => void): Transform {
  let received = 0;
  let told = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      received += chunk.length;
      // A line per fifth is enough to see that it moves, also in a log.
      const fifth = total > 0 ? Math.floor((received / total) * 5) : 0;
      if (fifth > told) say(`Fetching the Temporal server: ${fifth * 20} %`);
      told = Math.max(told, fifth);
      done(null, chunk);
    },
  });
}

export async function downloadTemporal(input: DownloadInput): Promise<void> {
  const archiveUrl = await archiveAddress(input);
  const checksum = await expectedChecksum(archiveUrl, input.signal);
  await mkdir(path.dirname(input.target), { recursive: true, mode: 0o700 });
  const folder = await mkdtemp(path.join(path.dirname(input.target), 'fetch-'));
  try {
    const archive = path.join(folder, 'archive.tar.gz');
    // 60 MB; a line slower than 200 KB/s is better served by another source.
    const response = await request(archiveUrl, 300_000, input.signal);
    if (response.body === null) throw new Error(`${archiveUrl} is empty`);
    const total = Number(response.headers.get('content-length') ?? 0);
    const body = Readable.fromWeb(response.body as import('node:stream/web').ReadableStream);
    await pipeline(body, progress(total, input.say), createWriteStream(archive));
    const actual = createHash('sha256')
      .update(await readFile(archive))
      .digest('hex');
    if (actual !== checksum) throw new Error(`the archive's checksum is ${actual} instead of ${checksum}`);
    const tar = spawnSync('tar', ['-xzf', archive, '-C', folder, 'temporal'], { encoding: 'utf8' });
    if (tar.status !== 0)
      throw new Error(`the archive cannot be opened: ${tar.error?.message ?? tar.stderr.trim()}`);
    await rename(path.join(folder, 'temporal'), input.target);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
