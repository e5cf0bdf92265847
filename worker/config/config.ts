// One frozen Config out of defaults < YAML file < environment < flags. The servers' only reader of the environment.
// Workflow and activity code never imports this: each part is handed its own values.
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { closestName } from './closest-name.ts';
import { commandEnvironment, type CommandEnvironment, pathBefore } from './command-environment.ts';
import { combinationProblem } from './combinations.ts';
import { readConfigFile } from './config-file.ts';
import { ConfigProblem } from './config-problem.ts';
import { realFolder } from '../real-folder.ts';
import type { Setting } from './settings.ts';
import { Settings, settings } from './settings.ts';

export type Config = Readonly<Settings> & {
  /** By setting name: `default`, the file and line, the variable or the flag that gave the value. */
  readonly sources: Readonly<Record<string, string>>;
};

type Environment = Readonly<Record<string, string | undefined>>;

interface Given {
  value: unknown;
  source: string;
}

// Variables of ours that are no settings of the servers: where the settings are, what the CLI and the tests use, and
// the marks on a tool's processes (an agent may start Perdure in a shell call).
const otherVariables = [
  'PERDURE_CONFIG',
  'PERDURE_URL',
  'PERDURE_TOKEN',
  'PERDURE_REQUIRE',
  'PERDURE_CALL',
  'PERDURE_GROUP',
  'PERDURE_WORKER',
];
const otherPrefixes = ['PERDURE_TEST_'];

function fromText(setting: Setting, text: string, source: string): unknown {
  if (setting.form === 'number') return text.trim() === '' ? text : Number(text);
  if (setting.form !== 'json') return text;
  try {
    return JSON.parse(text);
  } catch {
    const example = setting.notes.example === undefined ? '' : `, such as ${setting.notes.example}`;
    throw new ConfigProblem(`${source} must be JSON${example}.`);
  }
}

function secretFrom(file: string, source: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new ConfigProblem(
      `${source} names ${file}, which cannot be read (${(error as NodeJS.ErrnoException).code}).`,
    );
  }
}

function refuseTwice(given: Map<string, Given>, setting: Setting, source: string): void {
  const other = given.get(setting.name)?.source;
  if (other !== undefined)
    throw new ConfigProblem(`${other} and ${source} both give ${setting.name}: keep one of them.`);
}

function fromFile(file: string, required: boolean): Map<string, Given> {
  const given = new Map<string, Given>();
  for (const { setting, inFile, value, where } of readConfigFile(file, required, settings)) {
    refuseTwice(given, setting, where);
    const read = inFile ? fromText(setting, secretFrom(String(value), where), where) : value;
    given.set(setting.name, { value: read, source: where });
  }
  return given;
}

export function environmentNames(): string[] {
  return settings.flatMap(({ variable, notes }) =>
    notes.secret ? [variable, `${variable}_FILE`] : [variable],
  );
}

function fromEnvironment(environment: Environment): Map<string, Given> {
  const known = [...environmentNames(), ...otherVariables];
  for (const name of Object.keys(environment)) {
    if (!name.startsWith('PERDURE_') || known.includes(name)) continue;
    if (otherPrefixes.some((prefix) => name.startsWith(prefix))) continue;
    const near = closestName(name, known);
    throw new ConfigProblem(
      `There is no variable ${name}${near === undefined ? '; perdure config lists them all.' : `; did you mean ${near}?`}`,
    );
  }
  const given = new Map<string, Given>();
  for (const setting of settings) {
    const { variable } = setting;
    // An empty variable is how compose files and shells say "not set".
    const text = environment[variable] || undefined;
    if (text !== undefined)
      given.set(setting.name, { value: fromText(setting, text, variable), source: variable });
    const file = setting.notes.secret ? environment[`${variable}_FILE`] || undefined : undefined;
    if (file === undefined) continue;
    refuseTwice(given, setting, `${variable}_FILE`);
    const source = `${variable}_FILE`;
    given.set(setting.name, { value: fromText(setting, secretFrom(file, source), source), source });
  }
  return given;
}

function fromFlags(flags: readonly string[]): Map<string, Given> {
  const given = new Map<string, Given>();
  for (let index = 0; index < flags.length; index += 1) {
    const [flag = '', attached] = (flags[index] ?? '').split(/=(.*)/s);
    const setting = settings.find((each) => each.flag === flag);
    if (setting === undefined) {
      const near = closestName(
        flag,
        settings.map((each) => each.flag),
      );
      throw new ConfigProblem(
        `There is no flag ${flag}${near === undefined ? '' : `; did you mean ${near}?`}`,
      );
    }
    if (setting.notes.secret) {
      throw new ConfigProblem(
        `${flag} would show a secret to everyone on this machine: set ${setting.variable} instead.`,
      );
    }
    const next = flags[index + 1];
    // A switch by itself, such as --worker-only, is on.
    const isOn = setting.form === 'switch' && (next === undefined || next.startsWith('--'));
    if (attached === undefined && !isOn) index += 1;
    const text = attached ?? (isOn ? 'on' : next);
    if (text === undefined) throw new ConfigProblem(`${flag} needs a value after it.`);
    given.set(setting.name, { value: fromText(setting, text, flag), source: flag });
  }
  return given;
}

/** The value that counts for one setting, checked, with a sentence that names where the wrong one came from. */
function decide(setting: Setting, layers: Map<string, Given>[]): Given {
  const { value, source } = layers
    .map((layer) => layer.get(setting.name))
    .find((each) => each !== undefined) ?? {
    value: undefined,
    source: 'default',
  };
  const parsed = setting.schema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const at = issue !== undefined && issue.path.length > 0 ? ` (at ${issue.path.join('.')})` : '';
    const name = source === setting.variable || source.startsWith('--') ? '' : ` ${setting.name}`;
    throw new ConfigProblem(`${source}:${name} ${issue?.message ?? 'is wrong'}${at}. ${setting.notes.why}`);
  }
  if (setting.notes.folder !== true || typeof parsed.data !== 'string') return { value: parsed.data, source };
  const folder = setting.name === 'dataFolder' ? realFolder(parsed.data, source) : path.resolve(parsed.data);
  return { value: folder, source };
}

function configFile(
  environment: Environment,
  given: Map<string, Given>[],
): { file: string; required: boolean } {
  if (environment['PERDURE_CONFIG'])
    return { file: path.resolve(environment['PERDURE_CONFIG']), required: true };
  const dataFolder = given
    .map((layer) => layer.get('dataFolder')?.value)
    .find((value) => typeof value === 'string');
  return { file: path.join(path.resolve(dataFolder ?? '.perdure'), 'config.yaml'), required: false };
}

function assign(target: Record<string, unknown>, [name = '', ...below]: string[], value: unknown): void {
  if (below.length === 0) target[name] = value;
  else {
    target[name] ??= {};
    assign(target[name] as Record<string, unknown>, below, value);
  }
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const each of Object.values(value)) deepFreeze(each);
    Object.freeze(value);
  }
  return value;
}

export interface ConfigInput {
  /** Everything after the command: `--port 8000`. */
  flags?: readonly string[];
  environment?: Environment;
}

/** Throws ConfigProblem with one sentence when anything is unknown, wrong or given half. */
export function loadConfig(input: ConfigInput = {}): Config {
  const environment = input.environment ?? process.env;
  const upper = [fromFlags(input.flags ?? []), fromEnvironment(environment)];
  const { file, required } = configFile(environment, upper);
  const layers = [...upper, fromFile(file, required)];
  const values: Record<string, unknown> = {};
  const sources: Record<string, string> = {};
  for (const setting of settings) {
    const { value, source } = decide(setting, layers);
    assign(values, setting.path, value);
    sources[setting.name] = source;
  }
  const config = Settings.parse(values);
  const problem = combinationProblem(config);
  if (problem !== undefined) throw new ConfigProblem(problem);
  return deepFreeze({ ...config, sources });
}

function valueOf(config: Config, setting: Setting): unknown {
  return setting.path.reduce<unknown>(
    (value, name) => (value as Record<string, unknown> | undefined)?.[name],
    config,
  );
}

export interface DescribedSetting {
  name: string;
  value: string;
  source: string;
  why: string;
}

/** Every setting with its source; a secret shows only that it is set. */
export function describeConfig(config: Config): DescribedSetting[] {
  return settings.map((setting) => {
    const value = valueOf(config, setting);
    const shown =
      typeof value === 'string' || typeof value === 'number' ? String(value) : JSON.stringify(value);
    const hidden = setting.notes.secret && shown !== '{}' ? '(set, not shown)' : shown;
    return {
      name: setting.name,
      value: value === undefined ? '(not set)' : hidden,
      source: config.sources[setting.name] ?? 'default',
      why: setting.notes.why,
    };
  });
}

// What Amazon's package reads of the environment and no setting of ours has.
const bucketSecret = /^AWS_(\w+_)?(SECRET_\w+|TOKEN)$/;

/** Every secret value, for redaction: keys as they are, and the password inside the database's address. */
export function knownSecrets(config: Config): string[] {
  const ofBucket = Object.entries(process.env).flatMap(([name, value]) =>
    bucketSecret.test(name) && value ? [value] : [],
  );
  const given = settings.flatMap((setting) => {
    const value = valueOf(config, setting);
    if (setting.name === 'modelKeys') return Object.values(config.modelKeys);
    if (!setting.notes.secret || typeof value !== 'string') return [];
    if (setting.name !== 'databaseUrl') return [value];
    const { password } = new URL(value);
    return password === '' ? [] : [...new Set([password, decodeURIComponent(password)])];
  });
  return [...given, ...ofBucket];
}

/** A child's whole environment: what we were started with, and every setting as it was decided. */
export function childEnvironment(config: Config, decided: Partial<Settings>): Record<string, string> {
  const inherited = Object.entries(process.env).filter(
    ([name, value]) =>
      value !== undefined && !name.startsWith('PERDURE_') && !environmentNames().includes(name),
  ) as [string, string][];
  const own = settings.flatMap((setting): [string, string][] => {
    const value = valueOf({ ...config, ...decided }, setting);
    if (value === undefined) return [];
    return [[setting.variable, typeof value === 'string' ? value : JSON.stringify(value)]];
  });
  return Object.fromEntries([...inherited, ...own]);
}

const checkout = path.resolve(import.meta.dirname, '../..');

export interface CommandSurroundings extends CommandEnvironment {
  /** Where commands find programs: as the user does, not as a script of npm. */
  programs: string;
}

/** What of the environment of this process the commands of tools get. */
export function commandSurroundings(config: Config): CommandSurroundings {
  const environment = process.env;
  const own = environmentNames();
  const secrets = knownSecrets(config);
  return {
    programs: pathBefore(environment, checkout),
    ...commandEnvironment({ list: config.commandVariables, environment, own, secrets }),
  };
}

/** The same for people: which names pass in this environment, and which of the list do not. */
export function describeCommandSurroundings(config: Config): DescribedSetting {
  const { variables, withheld } = commandSurroundings(config);
  const names = ['HOME', 'PATH', 'TERM', ...Object.keys(variables)].sort();
  const others = Object.entries(withheld).map(([name, why]) => `${name} ${why}`);
  return {
    name: 'commandVariables (here)',
    value: [names.join(' '), ...others].join('; '),
    source: 'environment',
    why: 'What commands would get of the environment in which this was asked; the servers have their own.',
  };
}

/** For what is fetched once per user and not per checkout. */
export function userCacheFolder(): string {
  return path.join(process.env['XDG_CACHE_HOME'] || path.join(homedir(), '.cache'), 'perdure');
}

/** Where a shell that starts us looks for programs. */
export function shellPath(): string {
  return process.env.PATH ?? '';
}
