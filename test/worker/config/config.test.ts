import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import type { ConfigInput } from '../../../worker/config/config.ts';
import { childEnvironment, describeConfig, knownSecrets, loadConfig } from '../../../worker/config/config.ts';
import { ConfigProblem } from '../../../worker/config/config-problem.ts';
import { settings } from '../../../worker/config/settings.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'perdure-config-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

function write(name: string, text: string): string {
  const file = path.join(folder, name);
  writeFileSync(file, text);
  return file;
}

function problem(input: ConfigInput): string {
  try {
    loadConfig(input);
  } catch (error) {
    if (error instanceof ConfigProblem) return error.message;
    throw error;
  }
  return 'none';
}

const withYaml = (text: string) => ({ environment: { PERDURE_CONFIG: write('settings.yaml', text) } });

describe('the layers', () => {
  test('a flag goes before the environment, which goes before the file, which goes before the default', () => {
    const file = write('settings.yaml', 'port: 1001\ntemporalPort: 1001\npostgresPort: 1001\n');
    const config = loadConfig({
      flags: ['--port', '1003'],
      environment: { PERDURE_CONFIG: file, PERDURE_PORT: '1002', PERDURE_TEMPORAL_PORT: '1002' },
    });
    const { port, temporalPort, postgresPort, temporalUi, sources } = config;
    expect({ port, temporalPort, postgresPort, temporalUi }).toEqual({
      port: 1003,
      temporalPort: 1002,
      postgresPort: 1001,
      temporalUi: 'on',
    });
    expect(sources).toMatchObject({
      port: '--port',
      temporalPort: 'PERDURE_TEMPORAL_PORT',
      postgresPort: `${file}:3`,
      temporalUi: 'default',
    });
  });

  test('the file of the data folder is read without being named', () => {
    write('config.yaml', 'llmSlots: 3\n');
    expect(loadConfig({ environment: { PERDURE_DATA: folder } }).llmSlots).toBe(3);
    expect(loadConfig({ flags: [`--data=${folder}`], environment: {} }).llmSlots).toBe(3);
  });

  test('folders become absolute, nested settings and records are read in both forms, and the result is frozen', () => {
    const yaml = loadConfig(
      withYaml('unknownPriceMicrosPerMillion:\n  input: 7\nprices:\n  a/b: {input: 1000, output: 2000}\n'),
    );
    expect(yaml.unknownPriceMicrosPerMillion).toEqual({ input: 7, output: 100_000_000 });
    expect(yaml.prices).toEqual({ 'a/b': { input: 1000, output: 2000 } });
    const dollars = loadConfig({
      environment: { PERDURE_PRICES: '{"a/b":{"dollars":{"input":0.25,"output":2}}}' },
    });
    expect(dollars.prices).toEqual({ 'a/b': { input: 250_000, output: 2_000_000 } });
    const environment = {
      PERDURE_UNKNOWN_PRICE_MICROS_PER_MILLION_INPUT: '7',
      PERDURE_PRICES: '{"a/b":{"input":1000,"output":2000}}',
      PERDURE_SCENARIOS: 'scenarios',
      PERDURE_DATA: folder,
    };
    const given = loadConfig({ environment });
    expect(given).toMatchObject({ prices: yaml.prices, scenarios: path.resolve('scenarios') });
    expect(() => Object.assign(given.prices, { more: 1 })).toThrow(TypeError);
    expect(Object.isFrozen(given)).toBe(true);
  });

  test('an empty variable is one that is not set', () => {
    expect(loadConfig({ environment: { PERDURE_PORT: '', DATABASE_URL: '' } })).toMatchObject({
      port: 7700,
      databaseUrl: undefined,
    });
  });
});

describe('a mistake', () => {
  test('in the file is named with its line and the name that was meant', () => {
    const file = path.join(folder, 'settings.yaml');
    expect(problem(withYaml('port: 80\n\nunknownPriceMicrosPerMillion:\n  inptu: 3\n'))).toBe(
      `${file}:4: there is no setting "unknownPriceMicrosPerMillion.inptu"; did you mean "unknownPriceMicrosPerMillion.input"?`,
    );
    expect(problem(withYaml('host: x\nport: many\n'))).toMatch(
      `${file}:2: port must be a number from 1 to 65535.`,
    );
    expect(problem(withYaml('host: x\n\nhost: y\n'))).toMatch(`${file}:3: this is not YAML`);
    expect(problem(withYaml('- port\n'))).toBe(`${file}: the file must be a list of "name: value".`);
    for (const price of [
      '{input: 0, output: free}',
      '{dollars: {input: 1, output: free}}',
      '{dollars: {input: 1, output: -1}}',
      '{dollars: {input: 1, output: 0.0000001}}',
      // Dollars that are taken for micro-dollars would make each call free.
      '{input: 1000, output: 4}',
    ])
      expect(problem(withYaml(`prices:\n  a/b: ${price}\n`))).toMatch(/:1: prices .* \(at a\/b.output\)\./);
  });

  test('in a variable or a flag is named with what was meant', () => {
    expect(problem({ environment: { PERDURE_PROT: '1' } })).toBe(
      'There is no variable PERDURE_PROT; did you mean PERDURE_PORT?',
    );
    expect(problem({ environment: { PERDURE_SOMETHING_ELSE_ENTIRELY: '1' } })).toBe(
      'There is no variable PERDURE_SOMETHING_ELSE_ENTIRELY; perdure config lists them all.',
    );
    expect(problem({ environment: { PERDURE_LLM_SLOTS: '0' } })).toMatch(/^PERDURE_LLM_SLOTS: /);
    expect(problem({ environment: { PERDURE_PRICES: 'cheap' } })).toMatch(/^PERDURE_PRICES must be JSON/);
    const price = { dollars: { input: 1, output: 4 } };
    expect(problem({ environment: { PERDURE_PRICES: JSON.stringify({ 'gpt-5': price }) } })).toMatch(
      /^PERDURE_PRICES: .*must be provider\/model or provider\/\* \(at gpt-5\)/,
    );
    for (const login of ['user:secret@', 'secret@']) {
      const said = problem({ environment: { PERDURE_COMPATIBLE_BASE_URL: `http://${login}127.0.0.1/v1` } });
      expect(said).toMatch(/^PERDURE_COMPATIBLE_BASE_URL: must have no user and no password in it/);
      expect(said).not.toContain('secret');
    }
    expect(problem({ environment: { DATABASE_URL: 'mysql://x/y' } })).toMatch(/^DATABASE_URL: /);
    expect(problem({ flags: ['--prot', '1'], environment: {} })).toBe(
      'There is no flag --prot; did you mean --port?',
    );
    expect(problem({ flags: ['--port'], environment: {} })).toBe('--port needs a value after it.');
    expect(problem({ flags: ['--port', 'x'], environment: {} })).toMatch(/^--port: must be a number/);
  });

  test('is never the wrong kind of error, whatever the file holds', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'port: -{}[]"#\n 1&*!|>') }), (text) => {
        problem(withYaml(text));
      }),
    );
  });

  test('a setting that is given half or twice is refused', () => {
    expect(problem({ environment: { PERDURE_COMPATIBLE_API_KEY: 'k' } })).toMatch(
      /without PERDURE_COMPATIBLE_BASE_URL/,
    );
    const given = (environment: Record<string, string>) => problem({ environment });
    for (const [variable, value] of [
      ['PERDURE_TEMPORAL_UI_UPSTREAM', 'http://ui:8080'],
      ['PERDURE_TEMPORAL_UI_LINK', 'https://temporal.example.com'],
      ['PERDURE_TEMPORAL_TLS', 'on'],
      ['PERDURE_TEMPORAL_TLS_CA_FILE', 'ca.pem'],
      ['PERDURE_TEMPORAL_API_KEY', 'k'],
    ] as const) {
      expect(given({ [variable]: value })).toBe(
        `${variable} is for a Temporal server that already runs: set TEMPORAL_ADDRESS too, or take it away.`,
      );
    }
    const TEMPORAL_ADDRESS = 'temporal:7233';
    expect(given({ TEMPORAL_ADDRESS, PERDURE_TEMPORAL_TLS_KEY_FILE: 'key.pem' })).toMatch(/set both or none/);
    const PERDURE_TEMPORAL_UI_LINK = 'https://temporal.example.com';
    expect(
      given({ TEMPORAL_ADDRESS, PERDURE_TEMPORAL_UI_LINK, PERDURE_TEMPORAL_UI_UPSTREAM: 'http://ui' }),
    ).toMatch(/set one of them/);
    expect(given({ PERDURE_TEMPORAL_UI: 'yes' })).toMatch(/^PERDURE_TEMPORAL_UI: /);
    expect(given({ PERDURE_HOST_NAMES: 'https://perdure.example.com' })).toMatch(/must look like/);
    const file = write('key', 'sk-1\n');
    expect(problem({ environment: { OPENAI_API_KEY: 'sk-2', OPENAI_API_KEY_FILE: file } })).toBe(
      'OPENAI_API_KEY and OPENAI_API_KEY_FILE both give openaiApiKey: keep one of them.',
    );
    expect(problem({ environment: { PERDURE_CONFIG: path.join(folder, 'gone.yaml') } })).toMatch(
      /which is not there/,
    );
  });
});

describe('a secret', () => {
  test('may come from a file, named in the environment or in the settings', () => {
    const file = write('key', 'sk-from-file\n');
    expect(loadConfig({ environment: { OPENAI_API_KEY_FILE: file } }).openaiApiKey).toBe('sk-from-file');
    expect(loadConfig(withYaml(`openaiApiKeyFile: ${file}\n`)).openaiApiKey).toBe('sk-from-file');
    const keys = write('keys', '{"team-a":"sk-a"}\n');
    expect(loadConfig({ environment: { PERDURE_MODEL_KEYS_FILE: keys } }).modelKeys).toEqual({
      'team-a': 'sk-a',
    });
    expect(loadConfig(withYaml(`modelKeysFile: ${keys}\n`)).modelKeys).toEqual({ 'team-a': 'sk-a' });
    expect(problem({ environment: { OPENAI_API_KEY_FILE: path.join(folder, 'gone') } })).toMatch(
      /cannot be read \(ENOENT\)/,
    );
  });

  test('is refused as a flag, where everyone could read it', () => {
    expect(problem({ flags: ['--openai-api-key', 'sk-1'], environment: {} })).toMatch(
      /set OPENAI_API_KEY instead/,
    );
  });

  test('is known for redaction and never described', () => {
    const environment = Object.fromEntries(
      settings
        .filter(({ notes }) => notes.secret)
        .map(({ variable, name, form }) => [
          variable,
          form === 'json' ? `{"mine":"canary-${name}"}` : `canary-${name}`,
        ]),
    );
    const config = loadConfig({
      environment: {
        ...environment,
        DATABASE_URL: 'postgres://u:canary%2F1@h/d',
        PERDURE_COMPATIBLE_BASE_URL: 'http://127.0.0.1:1',
        TEMPORAL_ADDRESS: '127.0.0.1:1',
      },
    });
    expect(JSON.stringify(describeConfig(config))).not.toContain('canary');
    expect(knownSecrets(config)).toEqual(
      expect.arrayContaining(['canary%2F1', 'canary/1', 'canary-openaiApiKey', 'canary-modelKeys']),
    );
  });
});

test("the secrets that Amazon's package reads from the environment are hidden too", () => {
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'canary-of-a-bucket');
  onTestFinished(() => void vi.unstubAllEnvs());
  expect(knownSecrets(loadConfig({ environment: { PERDURE_S3_BUCKET: 'contents' } }))).toContain(
    'canary-of-a-bucket',
  );
});

test('what is said of a bucket needs its name', () => {
  const environment = { PERDURE_S3_PREFIX: 'perdure/' };
  expect(() => loadConfig({ environment })).toThrow('set PERDURE_S3_BUCKET too');
});

test("a child's environment says everything that was decided, and says it again when it is read", () => {
  const input = {
    flags: ['--port', '9000'],
    environment: {
      OPENAI_API_KEY_FILE: write('key', 'sk-1'),
      PERDURE_PRICES: '{"a/b":{"input":1000,"output":2000}}',
      PERDURE_DATA: folder,
    },
  };
  const config = loadConfig(input);
  const decided = { port: 9001, databaseUrl: 'postgres://u:p@127.0.0.1/d' };
  const environment = childEnvironment(config, decided);
  const { sources: _, ...child } = loadConfig({ environment });
  const { sources: __, ...parent } = config;
  expect(child).toEqual({ ...parent, ...decided });
});
