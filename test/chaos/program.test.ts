import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { effectsFile, hitsIn } from './ledger.ts';
import { allCalls, createProgram, inSandbox, type Program, scriptOf } from './program.ts';

const seeds = fc.record({ seed: fc.nat(), id: fc.nat({ max: 100_000 }) });

function operationsOf({ messages }: Program): number {
  return messages.reduce(
    (sum, { steps, acts }) => sum + acts.length + steps.length + steps.flatMap(({ calls }) => calls).length,
    0,
  );
}

test('a program is the same for the same seed, has at most twenty operations, and every effect a key of its own', () => {
  fc.assert(
    fc.property(seeds, ({ seed, id }) => {
      const program = createProgram(seed, id);
      expect(createProgram(seed, id)).toEqual(program);
      expect(operationsOf(program)).toBeLessThanOrEqual(20);
      const keys = allCalls(program).flatMap(({ call }) => (call.kind === 'effect' ? [call.key] : []));
      expect(new Set(keys).size).toBe(keys.length);
      for (const { steps } of program.messages) expect(steps.at(-1)?.calls).toEqual([]);
    }),
  );
});

test('a hundred programs of a seed hold every kind of call, act and fault', () => {
  const programs = Array.from({ length: 100 }, (_, id) => createProgram(1, id));
  const messages = programs.flatMap((program) => program.messages);
  const faults = messages.flatMap(({ steps }) => steps.flatMap((step) => step.faults));
  expect({
    calls: new Set(programs.flatMap(allCalls).map(({ call }) => call.kind)),
    acts: new Set(messages.flatMap(({ acts }) => acts.map(({ kind }) => kind))),
    faults: new Set(faults.map((fault) => (fault.kind === 'status' ? fault.status : fault.kind))),
    when: new Set(messages.map(({ when }) => when)),
    says: new Set(messages.flatMap(({ answers = {} }) => Object.values(answers).map(({ says }) => says))),
  }).toEqual({
    calls: new Set(['effect', 'write', 'edit', 'read', 'malformed']),
    acts: new Set(['steer', 'interrupt', 'cancel']),
    faults: new Set([429, 500, 529, 'cut', 'cut-call']),
    when: new Set(['first', 'after', 'queue']),
    says: new Set(['approve', 'deny']),
  });
});

test('the model says the same to every attempt at a step but for the faults of the first ones', () => {
  const program = Array.from({ length: 100 }, (_, id) => createProgram(1, id)).find(
    ({ messages }) => messages[0]?.steps[0]?.faults.length,
  );
  const message = program?.messages[0];
  const first = scriptOf(message, 1, 1, 7);
  const second = scriptOf(message, 1, 2, 7);
  expect(first.fault).toBeDefined();
  expect(second).toEqual({ ...first, fault: undefined });
});

test('an effect in a sandbox is a line that tells its time, and a mood breaks it off before or after', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'perdure-effects-'));
  const startedAt = Date.now();
  const codes = (['answers', 'dies-before', 'dies-after'] as const).map((mood) => {
    const call = { kind: 'effect', key: `7/0/${mood}`, beforeMs: 0, afterMs: 0, mood } as const;
    const step = { words: [], wordMs: 0, firstTokenMs: 0, calls: [call], faults: [], reusesIds: false };
    const message = { marker: '7/0', when: 'first', doubled: false, acts: [] } as const;
    const steps = [{ ...step, usage: 'right' as const }];
    const plain: Program = { id: 7, project: false, messages: [{ ...message, steps, acts: [] }] };
    const [inIt] = inSandbox(plain, 'bubblewrap').messages;
    const { command } = JSON.parse(scriptOf(inIt, 1, 1, 1).calls?.[0]?.input ?? '') as { command: string };
    return spawnSync('bash', ['-c', command], { cwd: folder }).status;
  });
  const hits = hitsIn(readFileSync(path.join(folder, effectsFile), 'utf8'));
  rmSync(folder, { recursive: true });
  expect({ codes, keys: hits.map(({ key }) => key) }).toEqual({
    codes: [0, 1, 1],
    keys: ['7/0/answers', '7/0/dies-after'],
  });
  for (const { at } of hits) {
    expect(at).toBeGreaterThanOrEqual(startedAt);
    expect(at).toBeLessThanOrEqual(Date.now());
  }
});
