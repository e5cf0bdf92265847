// Searches file contents with ripgrep, started without a shell in the very directory that was checked. It only reads,
// so it need not be found after its worker's death: its pipe breaks and it ends.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rgPath } from '@vscode/ripgrep';
import { isolatedAbove } from './ignore-files.ts';
import type { Located, Root } from './locate.ts';
import { type MatchedLine, matchReader } from './search-output.ts';
import { dependencyFolders, SandboxRefusal, type SearchOptions, type SearchResult } from '../sandbox.ts';

const flags = [
  '--no-config',
  '--hidden',
  // Hidden files are searched, the repository's own store and half-written files are not.
  '--glob=!.git',
  '--glob=!.perdure-*.tmp',
  '--sort=path',
  // One object a line, with the place of each match: a path or a text may hold anything.
  '--json',
  // Two cores are shared with everything else here, and sorting uses one thread anyway.
  '--threads=1',
];
// What a project ignores it ignores before its first commit, too. The ignore files of one user's programs are not the
// project's.
const ignoring = [
  '--no-require-git',
  '--no-ignore-global',
  ...dependencyFolders.map((name) => `--glob=!${name}`),
];
// Error text of ripgrep that is worth keeping.
const maxErrorBytes = 2000;

/** `mayShow` is asked for each file below a directory. */
export async function searchIn(
  root: Root,
  located: Located | undefined,
  options: SearchOptions,
  mayShow: (name: string) => boolean,
): Promise<SearchResult> {
  const { path, pattern, maxLines, signal, everything = false } = options;
  if (located?.self === undefined || located.stat === undefined)
    throw new SandboxRefusal(`there is no \`${path}\``);
  const isDirectory = located.stat.isDirectory();
  if (!isDirectory && !located.stat.isFile())
    throw new SandboxRefusal(`\`${path}\` is neither a file nor a directory`);
  signal.throwIfAborted();
  const isolated = (await isolatedAbove(root.real)) ? ['--no-ignore-parent'] : [];
  const chosen = everything ? ['--no-ignore'] : [...ignoring, ...isolated];
  const args = [...flags, ...chosen, '-e', pattern, '--', isDirectory ? './' : `./${located.name}`];
  const child = spawn(rgPath, args, {
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
  const onLine = (line: MatchedLine): void => {
    if (!isShown(line.path)) return;
    if (lines.length > maxLines) stop();
    else lines.push({ ...line, path: isDirectory ? inside(path, line.path) : path });
  };
  child.stdout.on('data', matchReader(onLine));
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
