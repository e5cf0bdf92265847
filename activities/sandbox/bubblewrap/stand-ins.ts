// Files that commands see in place of the machine's own: one user, no other machine, and no identity of a person.
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { refusedCalls } from './refused-calls.ts';

/** The home folder in the sandbox: empty at the start of each command. */
export const home = '/home/agent';

export interface StandIns {
  /** Each with the path it has in the sandbox. */
  files: [from: string, to: string][];
  /** An empty file. */
  empty: string;
  /** The filter of system calls; undefined where there is none for this processor. */
  filter: string | undefined;
}

export async function makeStandIns(folder: string): Promise<StandIns> {
  const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
  const files = {
    passwd: `agent:x:${uid}:${gid}::${home}:/bin/sh\n`,
    group: `agent:x:${gid}:\n`,
    hosts: '127.0.0.1 localhost perdure\n::1 localhost\n',
    'resolv.conf': '',
    // Without a name git makes no commit, and tests of projects do in repositories of their own.
    gitconfig: '[user]\n\tname = Agent\n\temail = agent@perdure.invalid\n',
  };
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const put = async (name: string, bytes: Buffer): Promise<string> => {
    const path = join(folder, name);
    const known = await readFile(path).catch(() => undefined);
    // Another command may be reading it: it is replaced whole, and only when it differs.
    if (known === undefined || !known.equals(bytes)) {
      const draft = `${path}.${randomBytes(6).toString('hex')}`;
      await writeFile(draft, bytes, { mode: 0o644 });
      await rename(draft, path);
    }
    return path;
  };
  const calls = refusedCalls();
  return {
    files: await Promise.all(
      Object.entries(files).map(
        async ([name, text]): Promise<[string, string]> => [
          await put(name, Buffer.from(text)),
          `/etc/${name}`,
        ],
      ),
    ),
    empty: await put('empty', Buffer.alloc(0)),
    filter: calls && (await put('refused-calls', calls)),
  };
}
