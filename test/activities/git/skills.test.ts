// Skills as a model is told of them and loads them: whose they are, how much of them, and what is no skill.
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { ActivityDeps } from '../../../activities/deps.ts';
import { createSkills } from '../../../activities/git/skills.ts';
import { skillsText } from '../../../activities/step/skills-block.ts';
import type { RunRow } from '../../../activities/store/runs/runs.ts';
import { skill } from '../../../activities/tools/skill.ts';
import type { ToolContext } from '../../../activities/tools/tool.ts';

async function folders() {
  const root = await mkdtemp(path.join(tmpdir(), 'perdure-skills-'));
  onTestFinished(() => rm(root, { recursive: true }));
  const [own, project] = [path.join(root, 'own'), path.join(root, 'project')];
  await mkdir(project);
  const put = async (folder: string, text: string | Buffer): Promise<void> => {
    await mkdir(folder, { recursive: true });
    await writeFile(path.join(folder, 'SKILL.md'), text);
  };
  return { root, own, project, put, skills: createSkills(own) };
}

test('those of the instance come before those of a project, each with what its head or first line says', async () => {
  const { own, project, put, skills } = await folders();
  expect(await skills.list(project)).toEqual([]);
  await put(
    path.join(own, 'release'),
    '---\nname: release\ndescription: >\n  How a release\n  is made.\n---\nTag it.',
  );
  await put(path.join(project, '.perdure/skills/release'), 'Ours instead.');
  await put(path.join(project, '.claude/skills/review'), '# How to review\n\nSlowly.');
  await put(path.join(project, '.agents/skills/long'), `---\ndescription: ${'x'.repeat(300)}\n---\n`);
  await put(path.join(project, '.perdure/skills/Not a name'), 'No.');
  await put(path.join(project, '.perdure/skills/binary'), Buffer.from([0, 1]));
  await put(path.join(project, '.perdure/skills/huge'), 'x'.repeat(32 * 1024 + 1));
  await put(path.join(project, '.perdure/skills/broken'), '---\n: [\n---\nStill read.');
  expect(await skills.list(project)).toEqual([
    { name: 'broken', description: 'Still read.' },
    { name: 'long', description: `${'x'.repeat(199)}…` },
    { name: 'release', description: 'How a release is made.' },
    { name: 'review', description: 'How to review' },
  ]);
  expect(await skills.load(project, 'release')).toMatch(/Tag it\.$/);
  expect(await skills.load(null, 'release')).toMatch(/Tag it\.$/);
  expect(await skills.load(null, 'review')).toBe(undefined);
});

test('no link leads out of the project, and no name out of the folder', async () => {
  const { root, project, put, skills } = await folders();
  await put(path.join(root, 'elsewhere/skills/stolen'), 'secret');
  await symlink(path.join(root, 'elsewhere'), path.join(project, '.perdure'));
  await mkdir(path.join(project, '.claude/skills/file'), { recursive: true });
  await symlink(path.join(root, 'elsewhere/skills/stolen'), path.join(project, '.claude/skills/folder'));
  await symlink(
    path.join(root, 'elsewhere/skills/stolen/SKILL.md'),
    path.join(project, '.claude/skills/file/SKILL.md'),
  );
  expect(await skills.list(project)).toEqual([]);
  for (const name of ['stolen', 'folder', 'file', '../elsewhere', '../../elsewhere/skills/stolen'])
    expect([name, await skills.load(project, name)]).toEqual([name, undefined]);
});

test('a model is told of them while it has the tool, fifteen with their lines', async () => {
  const { own, put, skills } = await folders();
  for (let index = 10; index < 27; index += 1) await put(path.join(own, `skill-${index}`), `How to ${index}`);
  const deps = {
    ...{ skills, tools: [skill], place: () => null, log: { redact: (text: string) => text } },
  } as unknown as ActivityDeps;
  const run = { external_tools: [], preset: null } as unknown as RunRow;
  const text = (await skillsText({ deps, run }))?.split('\n');
  expect([text?.length, text?.[1], text?.at(-1)]).toEqual([
    17,
    '- skill-10: How to 10',
    'Others: skill-25, skill-26',
  ]);
  const without = { ...run, preset: { id: 'x', version: 1, variables: {}, tools: { off: ['skill'] } } };
  expect(await skillsText({ deps, run: without as unknown as RunRow })).toBe(undefined);
  const context = { skill: (name: string) => skills.load(null, name) } as ToolContext;
  expect(await skill.run({ name: 'skill-10' }, context)).toEqual({ ok: true, output: 'How to 10' });
  expect(await skill.run({ name: 'none' }, context)).toEqual({
    ok: false,
    output: 'There is no skill "none": the context lists them.',
  });
});
