import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { expect, test } from 'vitest';
import { publicEgress } from '../../../../activities/egress/egress.ts';
import { createBubblewrap } from '../../../../activities/sandbox/bubblewrap/bubblewrap.ts';
import { wayOutRules } from '../way-out-rules.ts';

const { run } = wayOutRules((folder) =>
  createBubblewrap({
    workFolder: path.join(folder, 'work'),
    viewFolder: path.join(folder, 'view'),
    hidden: [],
    programs: '/usr/local/bin:/usr/bin:/bin',
    variables: { TEST_FOLDER: folder },
  }),
);

const certificates = '/etc/ssl/certs/ca-certificates.crt';
const said = (program: string, ...args: string[]): string => {
  const { status, stdout } = spawnSync(program, args, { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : '';
};

// Where packages come from is the programs' own knowledge.
test.for([
  {
    program: 'npm',
    sources: () => said('npm', 'config', 'get', 'registry'),
    command: `NODE_EXTRA_CA_CERTS=${certificates} npm pack --silent is-number@7.0.0`,
    loaded: /^is-number-7\.0\.0\.tgz$/m,
  },
  {
    program: 'pip',
    sources: () =>
      said(
        '/usr/bin/python3',
        '-c',
        'from pip._internal.models.index import PyPI; print(PyPI.simple_url, "https://" + PyPI.file_storage_domain)',
      ),
    command: `PIP_CERT=${certificates} /usr/bin/pip3 download --no-deps --no-cache-dir six==1.17.0`,
    loaded: /^Successfully downloaded six$/m,
  },
])('$program loads a package', { tags: ['faults'] }, async (row, { skip }) => {
  const { program, sources, command, loaded } = row;
  const addresses = sources()
    .split(/\s+/)
    .filter((each) => URL.canParse(each));
  const [first] = addresses;
  if (
    first === undefined ||
    said('curl', '-so', '/dev/null', '-w', '%{http_code}', '--max-time', '10', first) === ''
  )
    skip(`${program} is not there or reaches no packages from here`);
  // What answers here for such a host may stand near the machine.
  const near = { ...publicEgress, addressProblem: () => undefined };
  const { result, output, contacts } = await run(
    command,
    addresses.map((address) => new URL(address).host),
    near,
  );
  expect([result.exitCode, output]).toEqual([0, expect.stringMatching(loaded)]);
  const moved = contacts.every(({ connections, receivedBytes }) => connections > 0 && receivedBytes > 1000);
  expect([contacts.length, moved]).toEqual([addresses.length, true]);
});
