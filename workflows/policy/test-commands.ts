// Ways to run a project's tests that say only which tests and how loudly. Options that name a program, a folder, a
// plug-in or a file to write (-exec, --prefix, -p, -o) are none of these; nor is any option that was not reviewed.

const names = ['', ' *', ' * *', ' * * *'];

/** Names of tests alone, and each of the options before or behind one. */
function forms(start: string, options: readonly string[]): string[] {
  const optional = options.flatMap((option) => [` ${option}`, ` ${option} *`, ` * ${option}`]);
  return [...names, ...optional].map((rest) => `${start}${rest}`);
}

const pytest = [
  ...['-q', '-v', '-vv', '-x', '-s', '--lf', '--tb=short', '-k *', '-m *'],
  ...['-x -q', '-q -x', '-v -x', '-x -v'],
];
const goTest = [
  ...['-v', '-short', '-race', '-cover', '-failfast', '-count=1', '-run *'],
  ...['-v -run *', '-run * -v', '-count=1 -run *', '-v -count=1'],
];
// The runner behind a script is not known: these mean the same in all that know them.
const script = ['--run', '--watch=false', '--coverage', '--verbose', '--bail', '-t *'];

const scripts = ['build', 'lint', 'check', 'typecheck', 'type-check'];
const packageManagers = ['npm run', 'pnpm run', 'pnpm', 'yarn run', 'yarn'];

/** The project's own scripts for what is looked at beside the tests, as the tests themselves programs of the project. */
export const checkCommands: readonly string[] = [
  ...packageManagers.flatMap((run) => scripts.map((each) => `${run} ${each}`)),
  ...scripts.flatMap((each) => ['npm run --silent', 'npm run -s'].map((run) => `${run} ${each}`)),
  ...scripts.map((each) => `make ${each}`),
  // A linter or a type checker of some files only.
  ...['npm run lint -- *', 'npm run lint -- * *', 'npm run lint -- * * *'],
];

export const testCommands: readonly string[] = [
  ...forms('npm test', ['--silent']),
  ...forms('npm test --', script),
  ...forms('go test', goTest),
  ...forms('python -m pytest', pytest),
  ...forms('python3 -m pytest', pytest),
  ...['pnpm test', 'pnpm run test', 'yarn test', 'yarn run test', 'npm run test', 'npm t', 'make test'],
];
