// Finds scenarios by name: first in the folder that was configured, then among the built-in ones.
import { existsSync, readdirSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { LlmError } from './llm.ts';
import { parseScenario, type Scenario } from './scenario.ts';

const builtIn = path.join(import.meta.dirname, 'scenarios');
const ending = '.yaml';
// A name becomes a file name; nothing else may.
const scenarioName = /^[a-z0-9][a-z0-9-]{0,63}$/;

export interface ScenarioFiles {
  names(): string[];
  /** Throws an LlmError that says what is wrong with the name or the file. */
  read(name: string): Promise<Scenario>;
}

export function createScenarioFiles(folder: string | undefined): ScenarioFiles {
  const folders = folder === undefined ? [builtIn] : [folder, builtIn];
  // Parsed once until the file changes: a benchmark asks thousands of times.
  const parsed = new Map<string, { version: string; scenario: Scenario }>();

  function names(): string[] {
    const files = folders.filter((each) => existsSync(each)).flatMap((each) => readdirSync(each));
    const found = files.filter((file) => file.endsWith(ending)).map((file) => file.slice(0, -ending.length));
    // The greeting first: it is what a person without a key meets.
    return [...new Set(['hello', ...found.filter((name) => scenarioName.test(name)).sort()])];
  }

  return {
    names,
    async read(name) {
      const file = scenarioName.test(name)
        ? folders.map((each) => path.join(each, `${name}${ending}`)).find((each) => existsSync(each))
        : undefined;
      if (file === undefined) {
        throw new LlmError(
          'bad_request',
          `There is no scenario "${name.slice(0, 64)}"; there are: ${names().join(', ')}`,
        );
      }
      const { mtimeMs, size } = await stat(file);
      const version = `${mtimeMs}/${size}`;
      const known = parsed.get(file);
      if (known?.version === version) return known.scenario;
      const result = parseScenario(file, await readFile(file, 'utf8'));
      if ('problem' in result) throw new LlmError('bad_request', result.problem);
      parsed.set(file, { version, scenario: result.scenario });
      return result.scenario;
    },
  };
}
