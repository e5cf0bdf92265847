// Searches file contents with ripgrep, started without a shell in the very directory that was checked. It only reads,
// so it need not be found after its worker's death: its pipe breaks and it ends.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { posix } from 'node:path';
import { rgPath } from '@vscode/ripgrep';
import { isolatedAbove } from './ignore-files.ts';
import { createLineCheck } from './line-check.ts';
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
  exited.catch(() => {});
  const stop = (): void => void child.kill('SIGKILL');
  signal.addEventListener('abort', stop, { once: true });
  let problem = '';
  child.stderr.on('data', (bytes: Buffer) => {
    if (problem.length < maxErrorBytes) problem += bytes.toString('utf8');
  });
  const isShown = isDirectory ? forEachFile(mayShow) : () => true;
  const check = createLineCheck(root, isDirectory ? located.real : posix.dirname(located.real));
  const lines: SearchResult['lines'] = [];
  const found: MatchedLine[] = [];
  const read = matchReader((line) => found.push(line));
  try {
    for await (const bytes of child.stdout as AsyncIterable<Buffer>) {
      read(bytes);
      for (const line of found.splice(0)) {
        if (lines.length > maxLines || !isShown(line.path) || !(await check.holds(line))) continue;
        lines.push({ path: isDirectory ? inside(path, line.path) : path, line: line.line, text: line.text });
      }
      if (lines.length > maxLines) break;
    }
    // Of one that has come to its end, how it ends counts.
    if (lines.length > maxLines) stop();
  } catch (error) {
    stop();
    throw error;
  } finally {
    signal.removeEventListener('abort', stop);
    await check.close();
  }
  const [exitCode] = await exited;
  signal.throwIfAborted();
  const truncated = lines.length > maxLines;
  // 1 is "nothing found". 2 with lines is "some files could not be read", which is no reason to hide the rest.
  if (exitCode === 2 && lines.length === 0) throw new SandboxRefusal(toldOf(problem.trim(), path));
  return { lines: lines.slice(0, maxLines), truncated };
}

/** What is wrong with the pattern is told as it is said; a name that could not be read may be another one's. */
function toldOf(problem: string, path: string): string {
  return /^rg: \.\//m.test(problem) ? `\`${path}\` could not be read whole` : problem.slice(0, maxErrorBytes);
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
