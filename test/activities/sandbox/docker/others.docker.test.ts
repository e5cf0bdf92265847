// Commands in a container that a person runs: the same list as everywhere, and what is never done to it.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createOthers } from '../../../../activities/sandbox/docker/others.ts';
import type { Handle } from '../../../../activities/sandbox/sandbox.ts';
import { sandboxConformance } from '../conformance.ts';
import { openInFolder, run, usualDocker } from '../opened.ts';
import { openScene, probed } from './engine.ts';
import { theirContainer } from './theirs.ts';

sandboxConformance('a container that a person runs', async () => {
  const { name, start, remove } = theirContainer();
  const opened = await openInFolder(
    createOthers,
    () => ({ programs: '', gitBounds: async () => ({}) }),
    { reused: { call: 'run/none', mark: '0123456789abcdef' }, elsewhere: { engine: 'another' } },
    { container: { id: name }, prepare: async (project) => void (await start(project)) },
  );
  return {
    ...opened,
    async dispose() {
      await opened.dispose();
      await remove();
    },
  };
});

function projectFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'perdure-theirs-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  mkdirSync(path.join(folder, 'project/part'), { recursive: true });
  return path.join(folder, 'project');
}

const needs = { workFolder: '/none', viewFolder: '/none', hidden: [], docker: usualDocker() };

test('what its owner runs in it goes on, whatever becomes of our commands, and it stays as it was made', async () => {
  const project = projectFolder();
  const { docker, name, start, remove } = theirContainer();
  onTestFinished(remove);
  const container = await start(project, '/workspace');
  const theirs = await container.exec({ Cmd: ['sh', '-c', '(sleep 777 &) ; exec sleep 778'] });
  await theirs.start({ Detach: true });
  const before = await container.inspect();
  const driver = createOthers(needs);
  const opened = await driver.open({
    ...{
      id: 'run',
      tenantId: 'tenant',
      projectPath: project,
      container: { id: name, workdir: '/workspace/part' },
    },
  });
  const sandbox = await opened.forCall();
  await sandbox.write('part/file', Buffer.from('from here'));
  const { stdout, handle } = await run(sandbox, 'pwd; cat file; echo back > ../other; id -u');
  expect([stdout, String(await sandbox.read('other', 9))]).toEqual([
    '/workspace/part\nfrom here10001\n',
    'back\n',
  ]);
  const stop = new AbortController();
  const stopped = run(sandbox, 'trap "" TERM; sleep 600 & sleep 600', stop.signal, () =>
    setTimeout(() => stop.abort(new Error('enough')), 200),
  );
  await expect(stopped).rejects.toThrow('enough');
  await driver.kill(handle);
  await driver.sweep([handle]);
  await opened.close('ended');
  // Nor does what makes and sweeps our own containers see it.
  const scene = await openScene();
  await scene.driver.sweep([]);
  for (const runId of (await scene.driver.kept?.runIds()) ?? []) await scene.driver.kept?.remove(runId);
  const after = await docker.getContainer(name).inspect();
  const lasting = ({ Id, State: { Pid, StartedAt }, Config, Mounts }: typeof after) => ({
    ...{ Id, Pid, StartedAt, Config, Mounts },
  });
  expect(lasting(after)).toEqual(lasting(before));
  const commands = async (): Promise<string[]> => {
    const top = (await container.top({ ps_args: '-eo pid,args' })).Processes as [string, string][];
    return top.map(([, command]) => command).sort();
  };
  // The shell around a command of ours has said its last word a moment before it is gone.
  await expect.poll(commands).toEqual(['sleep 3600', 'sleep 777', 'sleep 778']);
});

test('a container that is not there, does not run, is ours or shows no such project is refused with what to do', async () => {
  const project = projectFolder();
  writeFileSync(path.join(project, 'file'), '');
  const { name, start, remove } = theirContainer();
  const driver = createOthers(needs);
  const problemOf = async (id: string, projectPath: string | null, workdir?: string) => {
    const usable = await probed(driver, { projectPath, container: { id, ...(workdir && { workdir }) } });
    return usable.ok ? 'ok' : `${usable.why} ${usable.how}`;
  };
  const missing = await problemOf('no-such', project);
  const container = await start(project, '/workspace');
  onTestFinished(remove);
  const { open, containers } = await openScene();
  const { sandbox } = await open();
  await run(sandbox, 'true');
  const ours = (await containers())[0]?.Id ?? '';
  const seen = [
    missing,
    await problemOf(ours, project),
    await problemOf(name, null),
    await problemOf(name, '/usr'),
    await problemOf(name, project, '/tmp'),
    await problemOf(name, project, '/workspace/part/'),
    await problemOf(name, path.join(project, 'part')),
  ];
  await container.pause();
  seen.push(await problemOf(name, project));
  await container.unpause();
  await container.stop({ t: 0 });
  seen.push(await problemOf(name, project));
  expect(seen).toEqual([
    'The Docker engine has no container no-such. docker ps lists those that run.',
    `The container ${ours} belongs to another run. Name one that you run yourself.`,
    'A run in a container needs a project: its files are those of a directory that the container shows. Name it with ' +
      'project (perdure run --project DIR).',
    `The container ${name} does not show /usr. Name a project that it shows: ${project}. Or start it with -v ` +
      '/usr:/workspace.',
    `In the container ${name}, /tmp is no folder of the project, which is /workspace there. Leave the working ` +
      'directory out, or name one in it.',
    'ok',
    'ok',
    `The container ${name} is paused. Start it: docker unpause ${name}.`,
    `The container ${name} does not run. Start it: docker start ${name}.`,
  ]);
  const opened = await driver.open({
    ...{ id: 'run', tenantId: 'tenant', projectPath: project, container: { id: name } },
  });
  await expect(run(await opened.forCall(), 'true')).rejects.toThrow('does not run');
  await opened.close('ended');
  await container.start();
  const nowhere = await driver.open({
    ...{
      id: 'run',
      tenantId: 'tenant',
      projectPath: project,
      container: { id: name, workdir: '/workspace/none' },
    },
  });
  await expect(run(await nowhere.forCall(), 'true')).rejects.toThrow(
    /could not start a shell in \/workspace\/none .*no such file or directory/,
  );
  await nowhere.close('ended');
});

test('a command in a container that its owner has paused cannot be reached, and those of others are swept all the same', async () => {
  const project = projectFolder();
  const { name, start, remove } = theirContainer();
  onTestFinished(remove);
  const container = await start(project);
  const driver = createOthers(needs);
  const opened = await driver.open({
    ...{ id: 'run', tenantId: 'tenant', projectPath: project, container: { id: name } },
  });
  const started = Promise.withResolvers<Handle>();
  const running = run(await opened.forCall(), 'sleep 600', undefined, started.resolve);
  const handle = await started.promise;
  await container.pause();
  expect([await driver.kill(handle), await driver.sweep([handle])]).toEqual(['elsewhere', undefined]);
  await container.unpause();
  expect(await driver.kill(handle)).toBe('gone');
  await running;
  await opened.close('ended');
});

test('a project that a container shows read-only is refused, and a read-only folder in one is not', async () => {
  const project = projectFolder();
  const { docker, name, remove } = theirContainer();
  onTestFinished(remove);
  const shows = async (...Binds: string[]) => {
    await remove().catch(() => {});
    const made = await docker.createContainer({
      ...{ name, Image: 'perdure-sandbox', Entrypoint: ['sleep', '3600'] },
      HostConfig: { Binds, NetworkMode: 'none' },
    });
    await made.start();
    return probed(createOthers(needs), { projectPath: project, container: { id: name } });
  };
  expect([
    await shows(`${project}:/workspace:ro`),
    await shows(`${project}:/workspace`, `${project}/part:/workspace/part:ro`),
  ]).toEqual([
    {
      ok: false,
      why: `The container ${name} shows ${project} read-only, and commands of a run may write there.`,
      how: `Start it with -v ${project}:/workspace, without :ro.`,
    },
    { ok: true },
  ]);
});

test('a project that a container hides under a folder in memory is not shown by it', async () => {
  const project = projectFolder();
  const { docker, name, remove } = theirContainer();
  onTestFinished(remove);
  const made = await docker.createContainer({
    ...{ name, Image: 'perdure-sandbox', Entrypoint: ['sleep', '3600'] },
    HostConfig: {
      Binds: [`${project}:/workspace`],
      NetworkMode: 'none',
      Tmpfs: { '/workspace/part/': '' },
      Mounts: [{ Type: 'tmpfs', Source: '', Target: '/scratch' }],
    },
  });
  await made.start();
  const driver = createOthers(needs);
  const isShown = async (projectPath: string) =>
    (await probed(driver, { projectPath, container: { id: name } })).ok;
  expect([await isShown(project), await isShown(path.join(project, 'part')), await isShown('/usr')]).toEqual([
    true,
    false,
    false,
  ]);
});
