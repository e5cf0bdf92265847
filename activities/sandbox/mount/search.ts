// Searches file contents with ripgrep, started without a shell in the very directory that was checked. It only reads,
// so it need not be found after its worker's death: its pipe breaks and it ends.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { StringDecoder } from 'node:string_decoder';
import { rgPath } from '@vscode/ripgrep';
import type { Located } from './locate.ts';
import { SandboxRefusal, type SearchOptions, type SearchResult } from '../sandbox.ts';

const flags = [
  '--no-config',
  '--hidden',
  // Hidden files are searched, the repository's own store and half-written files are not.
  '--glob=!.git',
  '--glob=!.perdure-*.tmp',
  // What a project ignores it ignores before its first commit, too.
  '--no-require-git',
  '--sort=path',
  '--line-number',
  '--with-filename',
  '--no-heading',
  '--null',
  '--color=never',
  // A minified file has lines of megabytes.
  '--max-columns=500',
  '--max-columns-preview',
  // Two cores are shared with everything else here, and sorting uses one thread anyway.
  '--threads=1',
];
// Said in the middle of the output about a file that turns out to be binary after its first lines.
const binaryNotice =
  /^.*?(WARNING: stopped searching binary file after match|binary file matches) \(found .* byte around offset \d+\)\n/;
// Error text of ripgrep that is worth keeping.
const maxErrorBytes = 2000;

/** `mayShow` is asked for each file below a directory. */
export async function searchIn(
  located: Located | undefined,
  options: SearchOptions,
  mayShow: (name: string) => boolean,
): Promise<SearchResult> {
  const { path, pattern, maxLines, signal } = options;
  if (located?.self === undefined || located.stat === undefined)
    throw new SandboxRefusal(`there is no \`${path}\``);
  const isDirectory = located.stat.isDirectory();
  if (!isDirectory && !located.stat.isFile())
    throw new SandboxRefusal(`\`${path}\` is neither a file nor a directory`);
  signal.throwIfAborted();
  const child = spawn(rgPath, [...flags, '-e', pattern, '--', isDirectory ? './' : `./${located.name}`], {
    cwd: isDirectory ? located.self : located.directory,
    env: { LC_ALL: 'C.UTF-8' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = once(child, 'close') as Promise<[number | null]>;
  const stop = (): void => void child.kill('SIGKILL');
  signal.addEventListener('abort', stop, { once: true });
  let problem = '';
  child.stderr.on('data', (bytes: Buffer) => {
    if (problem.length < maxErrorBytes) problem += bytes.toString('utf8');
  });
  const lines: SearchResult['lines'] = [];
  const isShown = isDirectory ? forEachFile(mayShow) : () => true;
  child.stdout.on(
    'data',
    reader((line) => {
      if (!isShown(line.path)) return;
      if (lines.length > maxLines) stop();
      else lines.push({ ...line, path: isDirectory ? inside(path, line.path) : path });
    }),
  );
  const [exitCode] = await exited.finally(() => signal.removeEventListener('abort', stop));
  signal.throwIfAborted();
  const truncated = lines.length > maxLines;
  // 1 is "nothing found". 2 with lines is "some files could not be read", which is no reason to hide the rest.
  if (exitCode === 2 && lines.length === 0) throw new SandboxRefusal(problem.slice(0, maxErrorBytes).trim());
  return { lines: lines.slice(0, maxLines), truncated };
}

/** Lines come file by file: each file is asked about once. */
function forEachFile(mayShow: (name: string) => boolean): (found: string) => boolean {
  let last: string | undefined;
  let answer = false;
  return (found) => {
    if (found !== last) answer = mayShow(found);
    last = found;
    return answer;
  };
}

function inside(base: string, found: string): string {
  const prefix = base === '' || base === '.' || base === './' ? '' : `${base.replace(/\/+$/, '')}/`;
  return prefix + found.replace(/^\.\//, '');
}

/** Takes `path NUL line:text` records apart; a path may hold anything but NUL, a text anything but a line end. */
function reader(
  onLine: (line: { path: string; line: number; text: string }) => void,
): (bytes: Buffer) => void {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  return (bytes) => {
    rest += decoder.write(bytes);
    for (;;) {
      rest = rest.replace(binaryNotice, '');
      const pathEnd = rest.indexOf('\0');
      const recordEnd = pathEnd < 0 ? -1 : rest.indexOf('\n', pathEnd);
      if (recordEnd < 0) return;
      const record = rest.slice(pathEnd + 1, recordEnd);
      const colon = record.indexOf(':');
      onLine({
        path: rest.slice(0, pathEnd),
        line: Number(record.slice(0, colon)),
        text: record.slice(colon + 1),
      });
      rest = rest.slice(recordEnd + 1);
    }
  };
}
