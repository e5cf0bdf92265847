import path from 'node:path';
import { expect, test } from 'vitest';
import { createDocker } from '../../../../activities/sandbox/docker/docker.ts';
import { usualDocker } from '../opened.ts';
import { wayOutRules } from '../way-out-rules.ts';

const { run } = wayOutRules((folder) =>
  createDocker({
    workFolder: path.join(folder, 'work'),
    viewFolder: path.join(folder, 'view'),
    hidden: [],
    variables: { TEST_FOLDER: folder },
    docker: usualDocker(),
  }),
);

test('commands that are let out at once each have their own way, and cannot look for another', async () => {
  const asking = (host: string): string => `exec 2>&1; sleep 1; curl -s http://${host}/; ls /run/perdure`;
  const [one, other] = await Promise.all([
    run(asking('other.test'), ['one.test']),
    run(asking('one.test'), ['other.test']),
  ]);
  const said = (host: string) =>
    expect.stringMatching(new RegExp(`^${host} was not granted.*\\nls: cannot open .*denied\\n$`));
  expect([one.output, other.output]).toEqual([said('other.test'), said('one.test')]);
});
