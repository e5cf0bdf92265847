// A command that names the hosts it reaches is decided by its words and by each of its hosts, before it runs.
import { describe, expect, test } from 'vitest';
import type { PolicyRule } from '../../../workflows/contracts/policy.ts';
import { readHostAndPort, writeHostAndPort } from '../../../workflows/policy/host.ts';
import type { PolicyContext } from '../../../workflows/policy/evaluate.ts';
import { call, decide, profileWith } from './decide.ts';

const install: PolicyRule = { commands: ['npm ci'], decision: 'allow' };

function decided(rules: PolicyRule[], hosts: string[], context: Partial<PolicyContext> = {}) {
  const { decision, part, reason } = decide(
    profileWith([install, ...rules]),
    { ...call('execute', 'npm ci'), hosts },
    context,
  );
  return [decision, part, reason];
}

describe('the hosts of a command', () => {
  test('are asked about where no rule names them, each by itself, and denied when nobody is there', () => {
    expect([
      decided([], []),
      decided([], ['one.example']),
      decided([{ hosts: ['one.example'], decision: 'allow' }], ['one.example', 'two.example']),
      decided([], ['one.example'], { attended: false }),
    ]).toEqual([
      ['allow', 'npm ci', 'own allows execute'],
      ['ask', 'one.example', expect.stringMatching(/no rule of own matches.*\(to reach one\.example\)$/)],
      ['ask', 'two.example', expect.stringMatching(/\(to reach two\.example\)$/)],
      ['deny', 'one.example', 'own denies the network when nobody is there (to reach one.example)'],
    ]);
  });

  test('are met by the rules that fetch is held to', () => {
    const one = ['one.example'];
    const rows: [PolicyRule, string[], string][] = [
      [{ hosts: one, decision: 'allow' }, one, 'allow'],
      [{ effect: 'network', hosts: one, decision: 'allow' }, one, 'allow'],
      [{ effect: 'network', decision: 'allow' }, one, 'allow'],
      [{ hosts: ['*.one.example'], decision: 'allow' }, ['a.one.example:8443'], 'allow'],
      [{ hosts: one, decision: 'deny' }, ['two.example', 'one.example'], 'deny'],
      [{ tool: 'fetch', hosts: one, decision: 'allow' }, one, 'ask'],
      [{ tool: 'shell', hosts: one, decision: 'allow' }, one, 'allow'],
      [{ effect: 'execute', decision: 'allow' }, one, 'ask'],
      [{ commands: ['**'], decision: 'allow' }, one, 'ask'],
    ];
    expect(rows.map(([rule, hosts]) => decided([rule], hosts)[0])).toEqual(
      rows.map(([, , decision]) => decision),
    );
  });

  test('are not allowed by trust in the tool, and are denied with it', () => {
    expect([
      decided([{ tool: 'shell', decision: 'allow' }], ['one.example'])[0],
      decided([{ tool: 'shell', decision: 'deny' }], ['one.example'])[0],
      decided([{ decision: 'allow' }], ['one.example'])[0],
    ]).toEqual(['ask', 'deny', 'allow']);
  });

  test('allow no command that would be asked about or denied without them', () => {
    const wanted = { ...call('execute', 'rm -r x'), hosts: ['one.example'] };
    const trusting = profileWith([{ hosts: ['*'], decision: 'allow' }]);
    expect([decide(trusting, wanted).decision, decide(trusting, wanted).part]).toEqual(['ask', 'rm -r x']);
  });

  test('are nothing but hosts', () => {
    for (const host of ['', 'a b', 'http://a.example', 'a.example/path', '*', '*.a.example', 'constructor x'])
      expect([host, decided([{ decision: 'allow' }], [host])]).toEqual([
        host,
        ['deny', 'npm ci', expect.stringContaining('is no host')],
      ]);
  });
});

test('a host has one form, whatever way it is written', () => {
  const rows: [string, string | undefined][] = [
    ['Example.ORG', 'example.org'],
    ['example.org.', 'example.org'],
    ['example.org:8443', 'example.org:8443'],
    ['bücher.example', 'xn--bcher-kva.example'],
    ['ｅxample.org', 'example.org'],
    ['2130706433', '127.0.0.1'],
    ['0x7f.1', '127.0.0.1'],
    ['0177.0.0.1', '127.0.0.1'],
    ['127.1:80', '127.0.0.1:80'],
    ['[::1]', '[::1]'],
    ['[0:0:0:0:0:0:0:1]:443', '[::1]:443'],
    ['[::FFFF:127.0.0.1]', '[::ffff:7f00:1]'],
    ['constructor', 'constructor'],
    ...[
      'a.example:0',
      'a.example:65536',
      'a.example:',
      'a.example:+1',
      'a.example:1:2',
      '::1',
      '[::1',
      '[fe80::1%25eth0]',
    ].map((none): [string, undefined] => [none, undefined]),
    ...[
      'u@a.example',
      'u:p@a.example',
      'a.example\\@b.example',
      'a%2eexample',
      'a.example?x',
      'a.example#x',
      'a\n.example',
    ].map((none): [string, undefined] => [none, undefined]),
    ['256.1.1.1', undefined],
    ['a..example', undefined],
    [`${'a'.repeat(300)}.example`, undefined],
  ];
  const written = ([text]: [string, string | undefined]): string | undefined => {
    const read = readHostAndPort(text);
    return read && writeHostAndPort(read);
  };
  expect(rows.map((row) => [row[0], written(row)])).toEqual(rows);
});
