// The instructions of a preset: a Liquid template and its variables. What a template says depends on these alone, so
// that a run's later requests begin with the same bytes. It reads no file and cannot take the process's time or memory.
import { Liquid, LiquidError } from 'liquidjs';
import type { Variables } from '../../workflows/contracts/configuration.ts';
import { Failure } from '../../workflows/contracts/failures.ts';
import { longestInstructions } from '../../workflows/contracts/preset.ts';

// A thousand times what filling in a long template takes: a busy machine must not refuse a run for it.
const longestMs = 500;
// Several times the longest text that may come out.
const mostCharacters = 500_000;

// Another text each time.
const changing = ['sample', 'date'].concat(
  ['xmlschema', 'rfc822', 'string', 'long_string'].map((format) => `date_to_${format}`),
);
// Without files there is nothing for them to name.
const ofFiles = ['include', 'render', 'layout', 'block'];

const engine = createEngine();

function createEngine(): Liquid {
  const liquid = new Liquid({
    strictVariables: true,
    strictFilters: true,
    // `{% if %}` of a variable that is empty is no error; one that is not declared is, and is found before.
    lenientIf: true,
    ownPropertyOnly: true,
    parseLimit: longestInstructions,
    renderLimit: longestMs,
    memoryLimit: mostCharacters,
    // No file is read, whatever a template says.
    templates: {},
  });
  for (const name of changing) delete liquid.filters[name];
  for (const name of ofFiles) delete liquid.tags[name];
  return liquid;
}

/** Why these instructions cannot be filled in, in one sentence; undefined when they can. */
export function instructionsProblem(template: string, declared: readonly string[]): string | undefined {
  try {
    const used = engine.globalVariablesSync(engine.parse(template));
    const unknown = used.find((name) => !declared.includes(name));
    return unknown === undefined
      ? undefined
      : `The instructions use the variable ${unknown}: declare it in variables, or take it out.`;
  } catch (error) {
    return problemOf(error);
  }
}

/** With a value for each variable. Throws a Failure that says in one sentence what is wrong. */
export function fillIn(template: string, values: Variables): string {
  let text: string;
  try {
    text = engine.parseAndRenderSync(template, values);
  } catch (error) {
    throw new Failure('InvalidInput', problemOf(error));
  }
  if (text.length > longestInstructions) {
    const detail = `The instructions have ${text.length} characters with their variables; at most ${longestInstructions} fit.`;
    throw new Failure('InvalidInput', detail);
  }
  return text;
}

function problemOf(error: unknown): string {
  if (!LiquidError.is(error)) throw error;
  // Its first line says what and where; the rest shows the template.
  return `The instructions are no template that can be filled in: ${error.message.split('\n')[0]}.`;
}
