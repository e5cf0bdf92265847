// Who comes before whom: request, conversation, run before, default; at each its own words, then those of its preset.
import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { defaultTenant } from '../../../../activities/store/db/database.ts';
import { startRun } from '../../../../activities/store/lifecycle/start-run.ts';
import { ensureBuiltIns } from '../../../../activities/store/policies/policies.ts';
import { createPreset, updatePreset } from '../../../../activities/store/presets/presets.ts';
import { changeConversation } from '../../../../activities/store/runs/conversations.ts';
import { presetOf } from '../../../../activities/store/runs/preset-of-run.ts';
import { type RunRow } from '../../../../activities/store/runs/runs.ts';
import type { Sources } from '../../../../workflows/contracts/configuration.ts';
import type { RunLimits } from '../../../../workflows/contracts/run.ts';
import { startNeeds } from '../../../support/start-needs.ts';
import { openTestStore } from '../../../support/store.ts';

const store = await openTestStore();
const { log, database } = store;
const change = { tenantId: defaultTenant, by: 'test' };
const ids = ['alpha', 'beta', 'gamma'];
const versions = new Map<string, number>();

beforeAll(async () => {
  await ensureBuiltIns(database.db, defaultTenant);
  for (const id of ids) {
    await log.write('test', (write) => createPreset(write, { id, name: id }, change));
    versions.set(id, 1);
  }
});

const names = ['model', 'policy', 'project', 'limits.steps', 'limits.tokens'] as const;
type Name = (typeof names)[number];
/** By name, as the fields lie flat in each place. */
type Words = Partial<Record<Name, unknown>>;

const values: Record<Name, unknown[]> = {
  model: ['scripted/hello', 'scripted/slow'],
  policy: ['plan-readonly', 'ask-everything'],
  project: ['/srv/a', '/srv/b'],
  'limits.steps': [3, 4, 5],
  'limits.tokens': [7, 8, 9],
};
/** Each word is said one time in `rare`: the last of those who are asked must be reached too. */
function wordsOf(rare: number): fc.Arbitrary<Words> {
  const each = names.map((name) => {
    const said = fc.constantFrom(...values[name]);
    const choices = [
      { arbitrary: said, weight: 1 },
      { arbitrary: fc.constant(undefined), weight: rare - 1 },
    ];
    return [name, fc.oneof(...choices)];
  });
  return fc.record(Object.fromEntries(each)) as fc.Arbitrary<Words>;
}
const named = fc.oneof(
  { arbitrary: fc.constant(undefined), weight: 4 },
  { arbitrary: fc.constantFrom(...ids), weight: 4 },
  { arbitrary: fc.constant(null), weight: 1 },
);
const place = fc.record({
  words: wordsOf(5),
  preset: named,
});
const presets = fc.record({
  words: fc.tuple(wordsOf(2), wordsOf(2), wordsOf(2)),
  usual: fc.option(fc.constantFrom(...ids), { nil: undefined }),
});
type Place = { words: Words; preset: string | null | undefined };

function toFields({ words: said, preset }: Place): object {
  const limits: RunLimits = {
    ...(said['limits.steps'] !== undefined && { steps: said['limits.steps'] as number }),
    ...(said['limits.tokens'] !== undefined && { tokens: said['limits.tokens'] as number }),
  };
  return {
    ...(preset !== undefined && { preset }),
    ...(said.model !== undefined && { model: said.model }),
    ...(said.policy !== undefined && { policy: said.policy }),
    ...(said.project !== undefined && { project: { path: said.project } }),
    ...(Object.keys(limits).length > 0 && { limits }),
  };
}

async function setPresets({
  words: all,
  usual,
}: {
  words: Words[];
  usual: string | undefined;
}): Promise<void> {
  for (const [index, id] of ids.entries()) {
    const version = versions.get(id) ?? 0;
    const preset = { id, name: id, ...toFields({ words: all[index] ?? {}, preset: undefined }) };
    await log.write('test', (write) =>
      updatePreset(write, preset, version, { ...change, isDefault: id === usual }),
    );
    versions.set(id, version + 1);
  }
}

interface Before {
  preset: string | null;
  values: Words;
  fromPreset: Partial<Record<Name, boolean>>;
}

interface Said {
  value: unknown;
  source: string;
  fromPreset: boolean;
}

/** Written down as a list of who is asked, one after the other. */
function expected(
  name: Name,
  around: {
    request: Place;
    settings: Place | undefined;
    before: Before | undefined;
    usual: string | undefined;
  },
  saysPreset: (id: string | null | undefined) => unknown,
): Said[] {
  const { request, settings, before, usual } = around;
  const asked: Said[] = [];
  let none = false;
  const ask = (source: string, own: unknown, preset: string | null | undefined): void => {
    asked.push({ value: own, source, fromPreset: false });
    if (preset === null) none = true;
    if (!none) asked.push({ value: saysPreset(preset), source, fromPreset: true });
  };
  ask('request', request.words[name], request.preset);
  if (settings) ask('settings', settings.words[name], settings.preset);
  if (before) {
    const now = before.fromPreset[name] ? saysPreset(before.preset) : undefined;
    asked.push({ value: now, source: 'conversation', fromPreset: true });
    // A scratch folder stands too.
    const then = name === 'project' ? (before.values[name] ?? null) : before.values[name];
    asked.push({ value: then, source: 'conversation', fromPreset: false });
    if (before.preset === null) none = true;
  }
  ask('instance', undefined, usual);
  return asked;
}

function start(conversationId: string | undefined, request: Place): Promise<RunRow> {
  const wanted = { prompt: 'Go.', ...toFields(request), ...(conversationId && { conversationId }) };
  return log.write('test', async (write) => {
    const how = { ...startNeeds, defaultModel: () => 'scripted/usual' };
    const starter = { ...change, requestId: 'r' };
    return (await startRun(write, how, starter, { ...wanted, whenBusy: 'queue', workTree: 'own' })).run;
  });
}

function seen(run: RunRow, name: Name): { value: unknown; source: string | undefined } {
  const sources = run.sources as unknown as Sources;
  if (name === 'project') return { value: run.project_path ?? undefined, source: sources.project };
  if (name === 'model' || name === 'policy') return { value: run[name], source: sources[name] };
  const limit = name.slice('limits.'.length) as 'steps' | 'tokens';
  return { value: (run.said_limits as RunLimits)[limit], source: sources.limits[limit] };
}

test('the first that says something decides, at every message, however presets and settings change between', async () => {
  const message = fc.record({ request: place, settings: fc.option(place, { nil: undefined }), presets });
  await fc.assert(
    fc.asyncProperty(fc.array(message, { minLength: 4, maxLength: 4 }), async (messages) => {
      let conversationId: string | undefined;
      let before: Before | undefined;
      let settings: Place | undefined;
      for (const said of messages) {
        await setPresets(said.presets);
        const now = conversationId;
        if (now !== undefined && said.settings) {
          settings = said.settings;
          const body = { settings: toFields(said.settings) };
          await log.write('test', (write) => changeConversation(write, defaultTenant, now, body));
        }
        const { request } = said;
        const { usual } = said.presets;
        const run = await start(conversationId, request);
        conversationId = run.conversation_id;
        const inOrder = [request.preset, settings?.preset, before?.preset, usual, null];
        const preset = inOrder.find((id) => id !== undefined) ?? null;
        expect(presetOf(run)?.id ?? null).toBe(preset);
        if (preset !== null) expect(presetOf(run)?.version).toBe(versions.get(preset));
        const next: Before = { preset, values: {}, fromPreset: {} };
        for (const name of names) {
          const words = (id: string | null | undefined): Words =>
            said.presets.words[ids.indexOf(id ?? '')] ?? {};
          const asked = expected(name, { request, settings, before, usual }, (id) => words(id)[name]);
          const first = asked.find(({ value }) => value !== undefined);
          const theirs: Record<string, string | null | undefined> = {
            request: request.preset,
            settings: settings?.preset,
            conversation: before?.preset,
            instance: usual,
          };
          const isOwn = first?.fromPreset === true && theirs[first.source] === preset;
          const { value, source } = seen(run, name);
          const unsaid = { model: 'scripted/usual', policy: 'headless-safe-sandbox' }[name as string];
          expect([name, value, source]).toEqual([
            name,
            first?.value ?? unsaid ?? undefined,
            isOwn ? 'preset' : (first?.source ?? 'instance'),
          ]);
          next.values[name] = value;
          next.fromPreset[name] = source === 'preset';
        }
        before = next;
      }
    }),
    { numRuns: 40 },
  );
});
