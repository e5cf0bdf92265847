// Files that commands see in place of the machine's own or an image's: one user, no other machine, and no identity of a
// person.
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The home folder in the sandbox: nothing of a person's is in it. */
export const home = '/home/agent';

export interface User {
  uid: number;
  gid: number;
}

/** Files of /etc by name. */
export function identityOf({ uid, gid }: User): Record<string, string> {
  return {
    passwd: `agent:x:${uid}:${gid}::${home}:/bin/sh\n`,
    group: `agent:x:${gid}:\n`,
    hosts: '127.0.0.1 localhost perdure\n::1 localhost\n',
    'resolv.conf': '',
    // Without a name git makes no commit, and tests of projects do in repositories of their own.
    gitconfig: '[user]\n\tname = Agent\n\temail = agent@perdure.invalid\n',
  };
}

/** Puts a file of ours into a folder and answers its path. */
export async function putStandIn(folder: string, name: string, bytes: Buffer): Promise<string> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, name);
  const known = await readFile(path).catch(() => undefined);
  // Another command may be reading it: it is replaced whole, and only when it differs.
  if (known === undefined || !known.equals(bytes)) {
    const draft = `${path}.${randomBytes(6).toString('hex')}`;
    await writeFile(draft, bytes, { mode: 0o644 });
    await rename(draft, path);
  }
  return path;
}
