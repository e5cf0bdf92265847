import { expect, test } from 'vitest';
import { recall } from '../../../workflows/policy/remember.ts';

test('it answers for the same tool and hash, the nearest first, and for nothing else', () => {
  const answers = [
    { scope: 'run', tool: 'shell', inputHash: 'one' },
    { scope: 'global', tool: 'shell', inputHash: 'one' },
  ] as const;
  const asked = (tool: string, inputHash: string) => recall({ tool, inputHash, subject: 'ls' }, answers);
  expect([asked('shell', 'one'), asked('shell', 'two'), asked('write', 'one')]).toEqual([
    {
      ...{ scope: 'run', profileId: 'remembered', profileVersion: 0, ruleIndex: 0 },
      ...{ decision: 'allow', original: 'allow', part: 'ls' },
      ruleText: 'allow exactly shell: ls',
      reason: 'a person allowed exactly this before',
    },
    undefined,
    undefined,
  ]);
});
