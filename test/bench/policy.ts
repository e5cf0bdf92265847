// Policy: decisions a second, a thousand calls against two hundred rules, against JSON.parse of the same calls.
import type { Effect } from '../../workflows/contracts/call.ts';
import type { PolicyProfile, PolicyRule } from '../../workflows/contracts/policy.ts';
import { evaluate, type PolicyScope } from '../../workflows/policy/evaluate.ts';
import { findProfile } from '../../workflows/policy/presets.ts';
import type { PolicyCall } from '../../workflows/policy/subject.ts';
import { measurePairs, rate, ratiosOf, report, type Sample, settings } from './harness/pairs.ts';

const callCount = 1000;
const ruleCount = 200;

/** Rules of a large organisation: directories, commands and hosts of many teams, and last the default profile's. */
function manyRules(last: PolicyRule[]): PolicyRule[] {
  const own = Array.from({ length: ruleCount - last.length }, (_, index): PolicyRule => {
    const decision = (['deny', 'ask', 'allow'] as const)[index % 3] ?? 'deny';
    if (index % 4 === 0)
      return {
        effect: 'execute',
        commands: [`team${index} deploy **`, `make team${index}-*`.slice(0, -2)],
        decision,
      };
    if (index % 4 === 1)
      return { hosts: [`*.team${index}.example.org`, `team${index}.example.net`], decision };
    return {
      effect: index % 2 === 0 ? 'write' : 'read',
      paths: [`teams/${index}/**`, `**/team${index}.{yaml,json}`],
      decision,
    };
  });
  return [...own, ...last];
}

/** What agents ask for: mostly files, some commands of one to four parts, a few hosts. */
function manyCalls(): PolicyCall[] {
  return Array.from({ length: callCount }, (_, index) => {
    const file = `packages/part-${index % 37}/src/lib/module-${index}.ts`;
    const kinds: [string, Effect, string][] = [
      ['read', 'read', file],
      ['edit', 'write', `./${file}`],
      ['shell', 'execute', `npm test -- ${file}`],
      ['shell', 'execute', `git status --short && git diff -- ${file} | head -50`],
      ['fetch', 'network', `docs-${index % 11}.example.com`],
    ];
    const [tool, effect, subject] = kinds[index % kinds.length] ?? (['read', 'read', file] as const);
    return { tool, effect, subject };
  });
}

const base = findProfile('headless-permissive-sandbox');
if (base === undefined) throw new Error('The profile this measures with is gone.');
const profile: PolicyProfile = { ...base, id: 'house', rules: manyRules(base.rules) };
const scopes: PolicyScope[] = [{ scope: 'run', profile, version: 1 }];
const calls = manyCalls();
const texts = calls.map((call) => JSON.stringify(call));
const context = { projectRoot: '/project', mode: null, attended: false, now: new Date() };

async function repeat(seconds: number, all: () => void): Promise<Sample> {
  const end = Date.now() + seconds * 1000;
  let rounds = 0;
  while (Date.now() < end) {
    all();
    rounds += 1;
  }
  return { units: rounds * callCount };
}

// A result that is not used may be optimised away.
let kept = 0;
const ours = {
  name: 'evaluate',
  measure: (seconds: number) =>
    repeat(seconds, () => {
      for (const call of calls) kept += evaluate(scopes, call, context).decision.length;
    }),
};
const floor = {
  name: 'JSON.parse',
  measure: (seconds: number) =>
    repeat(seconds, () => {
      for (const text of texts) kept += (JSON.parse(text) as PolicyCall).subject.length;
    }),
};

const measured = await measurePairs({ name: 'policy', floor, ours, settings: settings() });
// How many times as long as a parse a decision takes.
const times = ratiosOf(measured, (stretch) => 1 / rate(stretch));
report({
  name: 'policy',
  checks: [
    {
      what: `time of a call's decision against ${ruleCount} rules, times that of its JSON.parse`,
      value: times.median,
      // A parse takes a quarter of a microsecond; a step stores its calls in a transaction of some milliseconds, and
      // deciding all that it may have must not show beside that.
      target: 150,
      mustReach: 400,
      higherIsBetter: false,
    },
  ],
  figures: {
    times,
    decisionsPerSecond: measured.ours.map(rate),
    parsesPerSecond: measured.floor.map(rate),
    kept: kept > 0,
  },
});
