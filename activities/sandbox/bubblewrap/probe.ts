// Whether bubblewrap can be used on this machine, seen by starting it.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Usable } from '../sandbox.ts';
import { type Cgroups, createCgroups } from './cgroup.ts';

// Starting it takes some ten milliseconds. On a machine that swaps or stands still it may take seconds, which must not
// have a run do without it.
const probeMs = 10_000;

const without = {
  processes:
    'The kernel limits no processes of root, and no cgroup that does can be made here: those of a command are counted again and again, and a fork bomb may slow the machine down before it is ended. Run Perdure as another user.',
  memory:
    'No cgroup that limits memory and swap can be made here: what a command uses is counted again and again, without its files in memory, and may slow the machine down before it is ended.',
};

/** `program`: as `findProgram` found it. */
export async function probeBubblewrap(
  program = findProgram(''),
  cgroups: Pick<Cgroups, 'lacks'> = createCgroups(),
): Promise<Usable> {
  if (program === undefined) {
    return { ok: false, why: 'There is no bwrap on this machine.', how: 'Install the package bubblewrap.' };
  }
  const namespaces = ['--unshare-all', '--unshare-user', '--disable-userns'];
  const trial = [...namespaces, '--ro-bind', '/', '/', '--proc', '/proc', '--dev', '/dev', 'true'];
  try {
    await promisify(execFile)(program, trial, { timeout: probeMs, env: { PATH: '/usr/bin:/bin' } });
    return { ok: true, lacks: (await cgroups.lacks()).map((each) => without[each]) };
  } catch (error) {
    const said = String((error as { stderr?: string }).stderr || error)
      .trim()
      .slice(0, 300);
    return {
      ok: false,
      why: `bubblewrap cannot start here: ${said}.`,
      how: 'It needs bubblewrap 0.8 and user namespaces, which the system may forbid: allow them (kernel.unprivileged_userns_clone=1, user.max_user_namespaces, or an AppArmor profile for bwrap).',
    };
  }
}

/** `programs`: folders joined by colons, looked in first. */
export function findProgram(programs: string): string | undefined {
  const folders = [...programs.split(':'), '/usr/bin', '/usr/local/bin', '/bin'];
  return folders
    .filter((folder) => folder.startsWith('/'))
    .map((folder) => join(folder, 'bwrap'))
    .find(existsSync);
}
