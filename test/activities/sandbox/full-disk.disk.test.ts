// The disk of a work tree fills up under a contained command, and has room again.
import { tmpdir } from 'node:os';
import { readdir } from 'node:fs/promises';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createBubblewrap } from '../../../activities/sandbox/bubblewrap/bubblewrap.ts';
import { createDocker } from '../../../activities/sandbox/docker/docker.ts';
import type { SandboxNeeds } from '../../../activities/sandbox/index.ts';
import type { SandboxDriver } from '../../../activities/sandbox/sandbox.ts';
import { openSmallDisk } from '../../support/small-disk.ts';
import { openInFolder, run, usualDocker } from './opened.ts';

const needs = { programs: '/usr/local/bin:/usr/bin:/bin', gitBounds: async () => ({}) };
const writing = 'echo started; head -c 4M /dev/zero > big';

const kinds: Record<
  string,
  { create: (needs: SandboxNeeds) => SandboxDriver; command: string; ends: object }
> = {
  bubblewrap: {
    create: createBubblewrap,
    command: `${writing} && sleep 600`,
    ends: { result: { exitCode: 1, signal: null }, stderr: expect.stringMatching('No space left on device') },
  },
  // Before the disk is full to the last byte, so that the machine's own programs go on.
  sandbox: {
    create: createDocker,
    // Even where it comes to that first.
    command: `${writing}; sleep 600`,
    ends: {
      result: {
        exitCode: null,
        signal: 'SIGKILL',
        note: 'it was ended, for the disk of this machine is nearly full: remove what is not needed',
      },
    },
  },
};

const probe = { workFolder: '', viewFolder: '', hidden: [], docker: usualDocker(), ...needs };
const usable = await Promise.all(
  Object.entries(kinds).map(async ([kind, { create }]) => ({ kind, ...(await create(probe).probe()) })),
);

for (const { kind, ok } of usable)
  test.skipIf(!ok)(
    `a full disk is told to the command and the tools of a run in ${kind}, and both go on when there is room`,
    { tags: ['faults'] },
    async () => {
      const { create, command, ends } = kinds[kind]!;
      const disk = await openSmallDisk();
      onTestFinished(() => disk.remove());
      vi.stubEnv('TMPDIR', disk.folder);
      onTestFinished(() => void vi.unstubAllEnvs());
      expect(tmpdir()).toBe(disk.folder);
      const { sandbox, project, dispose } = await openInFolder(create, () => needs);
      onTestFinished(dispose);
      expect((await run(sandbox, 'echo kept > file; cat file')).stdout).toBe('kept\n');
      disk.fill();
      expect(await run(sandbox, command)).toMatchObject(ends);
      await expect(sandbox.write('new', Buffer.alloc(100_000))).rejects.toThrow('the disk is full');
      disk.empty();
      expect((await run(sandbox, 'rm -f big; echo more >> file; cat file')).stdout).toBe('kept\nmore\n');
      await sandbox.write('new', Buffer.from('new\n'));
      expect((await readdir(project)).sort()).toEqual(['file', 'new']);
    },
  );
