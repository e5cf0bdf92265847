import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  commandEnvironment,
  namesIn,
  pathBefore,
  usualNames,
} from '../../../worker/config/command-environment.ts';
import { nameProblem } from '../../../workflows/contracts/command-variables.ts';
import { environmentNames, loadConfig } from '../../../worker/config/config.ts';

const given = (environment: Record<string, string>, list = usualNames.join(','), secrets: string[] = []) =>
  commandEnvironment({ list, environment, own: environmentNames(), secrets });

describe('the variables that commands get', () => {
  test("are the user's toolchains, language and proxies, without logins, keys and other encodings", () => {
    const toolchains = { JAVA_HOME: '/opt/jdk', GOPATH: '/home/u/go', VIRTUAL_ENV: '/home/u/v', TZ: 'UTC' };
    const languages = { LANG: 'de_DE.UTF-8', LC_TIME: 'C', LC_CTYPE: 'ja_JP.SJIS' };
    const proxies = { HTTPS_PROXY: 'http://me:p4ss@proxy:3128', no_proxy: 'localhost,.example.com' };
    const others = { OPENAI_API_KEY: 'sk-1', PERDURE_TOKEN: 'x', npm_config_registry: 'x', BASH_ENV: '/x' };
    const environment = {
      ...toolchains,
      ...languages,
      ...proxies,
      ...others,
      GOPROXY: 'https://ghp_12345678',
    };
    expect(
      given({ ...environment, GOROOT: 'ghp_123456789', CARGO_HOME: '/x/hunter22/y' }, undefined, [
        'hunter22',
      ]),
    ).toEqual({
      variables: {
        ...toolchains,
        LANG: 'de_DE.UTF-8',
        LC_TIME: 'C',
        GOPROXY: 'https://ghp_12345678',
        HTTPS_PROXY: 'http://proxy:3128',
        no_proxy: 'localhost,.example.com',
      },
      withheld: {
        CARGO_HOME: 'holds what looks like a secret',
        GOROOT: 'holds what looks like a secret',
        HTTPS_PROXY: 'is given without the login in its address',
        LC_CTYPE: 'names a language in an encoding other than UTF-8',
      },
    });
  });

  test('never hold a setting of ours, a key or what is ours, whatever list and environment say', () => {
    const odd = [
      'PERDURE_TOKEN',
      'npm_config_token',
      'AWS_SECRET_ACCESS_KEY',
      'GITHUB_TOKEN',
      'BASH_FUNC_ls',
      'IFS',
    ];
    const name = fc.constantFrom(...environmentNames(), ...odd, 'AWS_REGION', 'MY_SDK', 'DB_PASSWORD');
    const listed = fc.oneof(
      name,
      name.map((each) => `${each.slice(0, each.indexOf('_') + 1)}*`),
    );
    fc.assert(
      fc.property(fc.array(listed), fc.array(name), (list, present) => {
        const environment = Object.fromEntries(present.map((each) => [each, 'value']));
        const passed = Object.keys(given(environment, list.join(',')).variables);
        expect(passed.filter((each) => !['AWS_REGION', 'MY_SDK'].includes(each))).toEqual([]);
      }),
    );
  });

  test('are a list of the configuration, to which a plus adds, and in which a secret is refused in a sentence', () => {
    expect(usualNames.filter((name) => nameProblem(name) !== undefined)).toEqual([]);
    expect(namesIn('+A,B_*')).toEqual([...usualNames, 'A', 'B_*']);
    const set = (list: string) => loadConfig({ environment: { PERDURE_COMMAND_VARIABLES: list } });
    expect(set('TZ,MY_SDK').commandVariables).toBe('TZ,MY_SDK');
    for (const [list, problem] of [
      ['TZ,GITHUB_TOKEN', 'GITHUB_TOKEN looks like the name of a secret, which commands never get'],
      ['+DB_PASSWORD', 'DB_PASSWORD looks like the name of a secret'],
      ['PERDURE_*', 'PERDURE_* is ours and is never given to commands'],
      ['A*', 'A* stands for too much'],
      ['BASH_ENV', 'BASH_ENV changes how a command is read'],
      ['GIT_EXTERNAL_DIFF', 'GIT_EXTERNAL_DIFF changes how a command is read'],
      ['GCONV_PATH', 'GCONV_PATH changes how a command is read'],
      ['TZ, LANG', ' LANG is no name of a variable'],
      ['PATH', 'PATH is given to commands anyhow'],
    ] as const) {
      expect(() => set(list)).toThrow(`PERDURE_COMMAND_VARIABLES: ${problem}`);
    }
  });
});

test('the PATH of commands is the one from before npm put its own in front', () => {
  const own = '/home/u/.nvm/bin:/usr/bin:/bin';
  const byNpm =
    '/srv/perdure/node_modules/.bin:/srv/node_modules/.bin:/node_modules/.bin:/usr/lib/npm/node-gyp-bin';
  const npm_config_user_agent = 'npm/11';
  const before = (environment: Record<string, string>) => pathBefore(environment, '/srv/perdure');
  expect([
    before({ PATH: own }),
    before({ PATH: `${byNpm}:${own}`, npm_config_user_agent }),
    // Started by another script, whose own programs are the user's wish.
    before({ PATH: `${byNpm}:/other/node_modules/.bin:/x/node-gyp-bin:${own}`, npm_config_user_agent }),
    // Other package managers have no such mark at the end.
    before({ PATH: `/srv/perdure/node_modules/.bin:${own}`, npm_config_user_agent: 'yarn/1' }),
    // A person at work in this checkout has put them there.
    before({ PATH: `/srv/perdure/node_modules/.bin:${own}` }),
    before({ PATH: `.:${own}::node_modules/.bin` }),
    before({}),
  ]).toEqual([
    own,
    own,
    `/other/node_modules/.bin:/x/node-gyp-bin:${own}`,
    own,
    `/srv/perdure/node_modules/.bin:${own}`,
    own,
    '/usr/local/bin:/usr/bin:/bin',
  ]);
});
