// What a repository's configuration says, read as data: nothing it includes is opened, and nothing it names is run.
import { GitProblem, runGit } from './command.ts';
import { readPlainFile } from './plain-file.ts';

/** A full name, section and key in small letters, and its value. */
export type Setting = readonly [name: string, value: string];

// A file with thousands of branches is smaller.
const maxConfigBytes = 1024 * 1024;

/** In the order git reads them. What cannot be read says nothing. */
export async function readSettings(folder: string, files: readonly string[]): Promise<Setting[]> {
  const found = files.map(async (name) => {
    const bytes = await readPlainFile(folder, name, maxConfigBytes);
    return bytes === undefined ? [] : listed(['config', '--file', '-', '--no-includes', '--list'], bytes);
  });
  return (await Promise.all(found)).flat();
}

/** Of the user's own configuration: who they are, and what they never want to see. */
export async function readOwnSettings(home: string): Promise<Setting[]> {
  const wanted = String.raw`^(user\.(name|email)|core\.excludesfile)$`;
  return listed(['config', '--global', '--includes', '--get-regexp', wanted], '', home);
}

async function listed(args: string[], input: string | Buffer, home?: string): Promise<Setting[]> {
  try {
    const call = { gitFolder: '/dev/null', args: [...args, '-z'], input };
    const { output } = await runGit(home === undefined ? call : { ...call, home });
    return output
      .toString('utf8')
      .split('\0')
      .flatMap((each): Setting[] => {
        const end = each.indexOf('\n');
        // A key without a value is true.
        return each === '' ? [] : end < 0 ? [[each, 'true']] : [[each.slice(0, end), each.slice(end + 1)]];
      });
  } catch (error) {
    if (error instanceof GitProblem) return [];
    throw error;
  }
}
