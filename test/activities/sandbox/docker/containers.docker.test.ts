// What the containers of runs are, and what becomes of them.
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { agentUser } from '../../../../activities/sandbox/docker/docker-settings.ts';
import { init } from '../../../../activities/sandbox/docker/inner.ts';
import { createRunSandboxes } from '../../../../activities/sandbox/run-sandboxes.ts';
import { giveToAgent, run, usualDocker } from '../opened.ts';
import { idleProcesses, openScene, probed, textOf } from './engine.ts';

test('a container in which nothing is ever started ends after its first minute, and no other does', async () => {
  const { docker, needs, folder } = await openScene();
  // In place of the minute: until something is written to a pipe.
  const script = init.replace('sleep 60 ', '(read -r over </minute) ');
  expect(script).not.toBe(init);
  const made = async () => {
    const minute = path.join(folder, randomBytes(4).toString('hex'));
    execFileSync('mkfifo', [minute]);
    const container = await docker.createContainer({
      Image: needs.docker.image,
      Entrypoint: ['/bin/sh', '-c', script],
      HostConfig: { NetworkMode: 'none', Binds: [`${minute}:/minute`] },
      Labels: { 'perdure.instance': needs.docker.instance },
    });
    await container.start();
    return { container, over: () => writeFile(minute, 'over\n') };
  };
  const [used, unused] = [await made(), await made()];
  await (await used.container.exec({ Cmd: ['/bin/true'] })).start({});
  await unused.over();
  await unused.container.wait();
  await used.over();
  const top = async () => (await used.container.top({ ps_args: '-eo pid,args' })).Processes as string[][];
  await expect.poll(async () => (await top()).map(([, command]) => command)).toContain('sleep 86400');
});

test('a container has its limits, its labels and no right that it does not need', async () => {
  const { open, containers, needs, docker } = await openScene();
  const { opened, sandbox } = await open('one');
  await run(sandbox, 'true');
  const [container] = await containers();
  const inMemory = (options: string): string => `rw,exec,nosuid,nodev,size=268435456,${options}`;
  const image = (await docker.getImage(needs.docker.image).inspect()).Id;
  expect({
    host: container!.HostConfig,
    image: container!.Image,
    labels: container!.Config.Labels,
    binds: container!.Mounts.filter(({ Type }) => Type === 'bind')
      .map(({ Destination, RW }) => [Destination.replace(needs.workFolder.replace(/work$/, ''), ''), RW])
      .sort(),
  }).toEqual({
    host: expect.objectContaining({
      ...{ Memory: 512 * 2 ** 20, NanoCpus: 1e9, PidsLimit: 100, OomScoreAdj: 500 },
      Ulimits: [{ Name: 'core', Soft: 0, Hard: 0 }],
      ...{ CapDrop: ['ALL'], SecurityOpt: ['no-new-privileges'], Privileged: false },
      ...{ NetworkMode: 'none', IpcMode: 'private', ReadonlyRootfs: true },
      RestartPolicy: { Name: 'no', MaximumRetryCount: 0 },
      LogConfig: { Type: 'none', Config: {} },
      Tmpfs: {
        '/tmp': inMemory('mode=1777'),
        '/home/agent': inMemory(`mode=700,uid=${agentUser.uid},gid=${agentUser.gid}`),
        ...Object.fromEntries(
          ['block', 'bus', 'class', 'dev', 'devices'].map((name) => [`/sys/${name}`, 'ro,size=4k,mode=555']),
        ),
      },
    }),
    image,
    labels: {
      'perdure.run': 'one',
      'perdure.tenant': 'theirs',
      'perdure.instance': needs.docker.instance,
      'perdure.image': image,
      'perdure.spec': expect.stringMatching(/^[0-9a-f]{32}$/),
    },
    binds: [
      ['/etc/gitconfig', false],
      ['/etc/group', false],
      ['/etc/passwd', false],
      ['/run/perdure', false],
      ['project', true],
    ],
  });
  await opened.close('ended');
  expect(await containers()).toEqual([]);
});

test('the limits hold: too many processes, too much memory and a full /tmp are told in words', async () => {
  const { open } = await openScene();
  const { sandbox } = await open();
  const forks = await run(sandbox, 'for i in $(seq 200); do sleep 5 & done 2>/dev/null; true');
  expect(forks.result.note).toMatch('limit of processes');
  const memory = await run(sandbox, `python3 -c "x = bytearray(1 << 30)"`);
  expect(memory.result).toMatchObject({ signal: 'SIGKILL', note: expect.stringMatching('limit of memory') });
  const { stderr } = await run(sandbox, 'head -c 300M /dev/zero > /tmp/full');
  expect(stderr).toMatch(/No space left on device|Killed/);
  expect((await run(sandbox, 'rm -f /tmp/full; nproc; id -u; whoami; touch /x')).stdout).toMatch(
    /^\d+\n[1-9]\d*\nagent\n$/,
  );
});

test('no function, alias, variable or directory carries over to the next command', async () => {
  const { open } = await openScene();
  const { sandbox } = await open();
  await run(sandbox, 'x=1; f() { echo f; }; alias ls=false; export Y=2; cd /tmp; set -e; umask 077');
  const { stdout } = await run(
    sandbox,
    'echo "${x-none} ${Y-none} $(type -t f) $(type -t ls) $(umask)"; pwd',
  );
  expect(stdout).toBe(`none none  file 0022\n${sandbox.root}\n`);
});

test('no command runs while a shell waits for the next one, into which it could write', async () => {
  const { open, andWaiting, project } = await openScene();
  const { sandbox } = await open();
  const waiting = async () =>
    (await andWaiting()).filter((each) => each.startsWith('/bin/sh -c exec 3')).length;
  const areThere = (count: number) => expect.poll(waiting).toBe(count);
  await run(sandbox, 'true');
  await areThere(1);
  const others =
    'touch up; while [ ! -e go ]; do sleep 0.05; done; sleep 0.5; cd /proc; for i in [0-9]*; do ' +
    '[ "$(ps -o ppid= -p $i | tr -d " ")" = 0 ] && [ $i != $PPID ] && [ $i != 1 ] && echo $i; done; true';
  const looking = run(sandbox, others);
  await expect.poll(() => existsSync(path.join(project, 'up'))).toBe(true);
  await run(sandbox, 'true');
  // Its own shell may be seen for a moment longer. That of the command that goes on has a part that waits for its end.
  await areThere(2);
  writeFileSync(path.join(project, 'go'), '');
  expect((await looking).stdout).toBe('');
  await areThere(1);
});

test('what hides its mark, or gives itself another, is ended with the command all the same', async () => {
  const { open, processes } = await openScene();
  const { sandbox } = await open();
  const another = await run(
    sandbox,
    `${['', '0123456789abcdef', 'short'].map((mark) => `PERDURE_GROUP=${mark} setsid sleep 600 & disown`).join('; ')}; until [ "$(pgrep -cxf 'sleep 600')" = 3 ]; do :; done`,
  );
  expect(another.result.note?.match(/sleep 600/g)).toHaveLength(3);
  const hidden = await run(sandbox, 'env -i setsid sleep 601 >/dev/null 2>&1 & disown; (env -i sleep 602 &)');
  expect(hidden.result.note).toMatch(/sleep 60[12]/);
  expect((await processes()).sort()).toEqual(idleProcesses);
});

test('a repository and a data folder in the tree are kept from commands, also when they came later', async () => {
  const { open, project } = await openScene({}, (tree) => [path.join(tree, 'state')]);
  mkdirSync(path.join(project, '.git', 'hooks'), { recursive: true });
  mkdirSync(path.join(project, 'state'));
  writeFileSync(path.join(project, 'state', 'token'), 'secret');
  // Whoever owns them.
  for (const name of ['.git', '.git/hooks', 'state', 'state/token'])
    chmodSync(path.join(project, name), 0o777);
  const { sandbox } = await open();
  const tried = await run(
    sandbox,
    'echo x > .git/hooks/post-commit; mv .git gone; ls -A state; mkdir -p nested && git init -q nested && echo fine',
  );
  expect(tried.stdout).toBe('fine\n');
  expect(tried.stderr).toMatch(/Read-only file system[^]*Device or resource busy/);
  expect([
    existsSync(path.join(project, '.git/hooks/post-commit')),
    existsSync(path.join(project, 'gone')),
  ]).toEqual([false, false]);
  await expect(sandbox.read('state/token', 100)).rejects.toThrow('Perdure keeps its own data there');
});

test('a repository that a command makes is kept from the next one', async () => {
  const { open, project } = await openScene();
  const { sandbox } = await open();
  expect((await run(sandbox, 'git init -q . && git config user.name Mallory && echo made')).stdout).toBe(
    'made\n',
  );
  const { stderr } = await run(sandbox, 'echo x >> .git/config');
  expect(stderr).toMatch('Read-only file system');
  expect(readFileSync(path.join(project, '.git/config'), 'utf8')).not.toMatch(/^x$/m);
});

test('a container that was stopped, or is gone, is made to run again by the next command', async () => {
  const { open, docker, containers } = await openScene();
  const [sandbox, ...others] = (await Promise.all(['one', 'one', 'one'].map(open))).map(
    (each) => each.sandbox,
  );
  await run(sandbox!, 'echo kept > file');
  for (const [at, other] of others.entries()) {
    const container = docker.getContainer((await containers())[0]!.Id);
    await (at === 0 ? container.kill() : container.remove({ force: true }));
    // By one that has no shell waiting there, and then by one that had, which is not told of its end at once.
    for (const each of [other, sandbox!]) expect((await run(each, 'cat file')).stdout).toBe('kept\n');
  }
});

test('a repository, or a whole tree, that is replaced under a container is what the next command finds', async () => {
  const { open, project, folder } = await openScene();
  const makeHooks = () => {
    mkdirSync(path.join(project, '.git/hooks'), { recursive: true });
    for (const name of ['.git', '.git/hooks']) chmodSync(path.join(project, name), 0o777);
  };
  makeHooks();
  const { opened, sandbox } = await open();
  await run(sandbox, 'true');
  rmSync(path.join(project, '.git'), { recursive: true });
  makeHooks();
  const planted = await run(sandbox, 'echo x > .git/hooks/post-commit; ls .git/hooks; echo fine');
  expect([planted.stdout, planted.stderr]).toEqual([
    'fine\n',
    expect.stringMatching('Read-only file system'),
  ]);
  renameSync(project, path.join(folder, 'before'));
  mkdirSync(project);
  giveToAgent(project);
  writeFileSync(path.join(project, 'file'), 'new');
  expect((await run(await opened.forCall(), 'cat file; ls -A')).stdout).toBe('newfile\n');
});

test('an image that is removed under a run is told in words, and one of the same name is taken', async () => {
  const name = `perdure-gone-${randomBytes(4).toString('hex')}`;
  const { open, docker, containers, needs } = await openScene({ image: `${name}:latest` });
  const usual = docker.getImage(usualDocker().image);
  const made = await docker.createContainer({ Image: usualDocker().image, Cmd: ['true'] });
  await made.commit({ repo: name, comment: name });
  await made.remove();
  onTestFinished(
    async () =>
      void (await docker
        .getImage(name)
        .remove({ force: true })
        .catch(() => {})),
  );
  const { sandbox } = await open();
  await run(sandbox, 'true');
  const [one] = await containers();
  await docker.getContainer(one!.Id).remove({ force: true });
  await docker.getImage(name).remove({ force: true });
  await expect(run(sandbox, 'true')).rejects.toThrow(`the Docker engine has no image ${needs.docker.image}`);
  await usual.tag({ repo: name, tag: 'latest' });
  expect((await run(sandbox, 'echo again')).stdout).toBe('again\n');
});

test('a container that goes away under a command is told as such, and its command is not run again', async () => {
  const { open, docker, containers, project } = await openScene();
  const { sandbox } = await open();
  const running = run(sandbox, 'echo once >> runs; sleep 600');
  await expect.poll(() => textOf(path.join(project, 'runs'))).toBe('once\n');
  const [one] = await containers();
  await docker.getContainer(one!.Id).remove({ force: true });
  const { result } = await running;
  expect(result).toEqual({
    exitCode: null,
    signal: expect.toSatisfy((signal) => signal === null || signal === 'SIGKILL'),
    ...(result.note !== undefined && { note: expect.stringMatching('not known') }),
  });
  expect((await run(sandbox, 'cat runs')).stdout).toBe('once\n');
});

test('a sandbox that is let go of between two calls stays while another worker has a command in it', async () => {
  const { open, containers, project } = await openScene();
  const [mine, theirs] = [await open('one'), await open('one')];
  const stop = new AbortController();
  const running = run(theirs.sandbox, 'touch up; sleep 600', stop.signal);
  await expect.poll(() => existsSync(path.join(project, 'up'))).toBe(true);
  await mine.opened.close('goes-on');
  expect(await containers()).toHaveLength(1);
  stop.abort(new Error('enough'));
  await expect(running).rejects.toThrow('enough');
  await theirs.opened.close('goes-on');
  expect(await containers()).toEqual([]);
});

test('what killed workers left of ended runs is removed, and nothing of runs that go on or of others', async () => {
  const [ours, others] = [await openScene(), await openScene()];
  for (const id of ['ended', 'going-on']) await run((await ours.open(id)).sandbox, 'true');
  await run((await others.open('ended')).sandbox, 'true');
  const sandboxes = createRunSandboxes({ drivers: [ours.driver], onFailure: () => {} });
  await sandboxes.removeEnded(async (ids) => ids.filter((id) => id === 'going-on'));
  const left = (await ours.containers()).map(({ Config }) => Config.Labels['perdure.run']);
  expect([left, (await others.containers()).length]).toEqual([['going-on'], 1]);
});

test('a sandbox without an engine, an image or an owner that is not root says what a person has to do', async () => {
  const away = await openScene();
  const probe = async (change: object) => {
    const { driver } = await openScene(change);
    const usable = await probed(driver);
    return usable.ok ? 'fine' : `${usable.why} ${usable.how}`;
  };
  expect(await probed(away.driver)).toEqual({
    ok: true,
    lacks: expect.arrayContaining([expect.stringMatching(/^No disk quota holds a work tree/)]),
  });
  expect(await probe({ image: 'perdure-none' })).toBe(
    'The Docker engine has no image perdure-none. Make it: perdure sandbox image build, or name another one by PERDURE_SANDBOX_IMAGE.',
  );
  expect(await probe({ runtime: 'nosuch' })).toMatch(
    /^The Docker engine has no runtime nosuch; it has .*runc.*PERDURE_SANDBOX_RUNTIME\.$/,
  );
});
