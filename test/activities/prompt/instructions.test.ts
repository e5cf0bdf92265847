import { expect, test } from 'vitest';
import { fillIn, instructionsProblem } from '../../../activities/prompt/instructions.ts';
import { cpuMs } from '../../support/cpu-time.ts';

const declared = ['shop', 'note'];
const values = { shop: 'a {{ note }} shop', note: '' };

function filled(template: string): string {
  try {
    return fillIn(template, values);
  } catch (error) {
    return `refused: ${(error as Error).message}`;
  }
}

test('a template reads its variables, which are text and no template', () => {
  const template = 'You mend {{ shop }}.{% if note != "" %} Note: {{ note }}{% endif %}';
  expect([instructionsProblem(template, declared), filled(template)]).toEqual([
    undefined,
    'You mend a {{ note }} shop.',
  ]);
});

test.each([
  ['{{ shop', /output "\{\{ shop" not closed, line:1/],
  ['one\n{{ shop | shout }}', /undefined filter: shout, line:2/],
  ['{{ owner }}', /use the variable owner: declare it/],
  ['{% if owner %}a{% endif %}', /use the variable owner: declare it/],
  ['{% include "/etc/passwd" %}', /tag "include" not found/],
  ['{% render "/etc/passwd" %}', /tag "render" not found/],
  ['{% layout "/etc/passwd" %}', /tag "layout" not found/],
  // It would be another text in each step.
  ['{{ "now" | date: "%s" }}', /undefined filter: date,/],
  ['{{ shop | split: " " | sample }}', /undefined filter: sample,/],
])('%j is refused when it is saved', (template, says) => {
  expect(instructionsProblem(template, declared)).toMatch(says);
});

test.each([
  ['{{ shop.constructor }}', /undefined variable: shop\.constructor/],
  ['{% for i in (1..100000000) %}{{ i }}{% endfor %}', /limit exceeded/],
  ['{% for i in (1..4000) %}{% for j in (1..4000) %}{% endfor %}{% endfor %}', /limit exceeded|render time/],
  ['{% for i in (1..2000) %}{{ shop }}{% endfor %}', /at most 32000 fit/],
])('%j is refused when it is filled in, at once', (template, says) => {
  const before = cpuMs();
  expect(filled(template)).toMatch(says);
  // The bound is half a second; without one the loops take minutes.
  expect(cpuMs() - before).toBeLessThan(5_000);
});
