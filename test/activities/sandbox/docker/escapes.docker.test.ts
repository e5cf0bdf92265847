import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { expect, test } from 'vitest';
import { agentUser } from '../../../../activities/sandbox/docker/docker-settings.ts';
import { createDocker } from '../../../../activities/sandbox/docker/docker.ts';
import { escapesFrom, type MakeDriver } from '../escapes/escapes.ts';
import { plant } from '../escapes/plants.ts';
import type { GiveAway } from '../escapes/scene.ts';
import { usualDocker } from '../opened.ts';

const make: MakeDriver = ({ folder, data }) =>
  createDocker({
    workFolder: path.join(folder, 'work'),
    viewFolder: path.join(folder, 'view'),
    hidden: [data],
    docker: usualDocker(),
  });

const give: GiveAway = (project, data) => {
  if (process.getuid?.() !== 0) return;
  execFileSync('chown', ['-R', `${agentUser.uid}:${agentUser.gid}`, project]);
  execFileSync('chown', ['-R', '0:0', data]);
};

test('no probe finds a way out of a container', async () => {
  expect(await escapesFrom(make, { give })).toEqual([]);
});

test('what a command plants for a later git is not run by ours', {
  tags: ['faults'],
}, async () => {
  expect((await plant(make, give)).filter(({ ours }) => ours)).toEqual([]);
});
