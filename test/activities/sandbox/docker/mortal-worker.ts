// A worker that runs one command, and ends its run if told so, and is killed meanwhile:
// `node mortal-worker.ts NEEDS RUN COMMAND [never-recorded|ends]`.
import type { DockerNeeds } from '../../../../activities/sandbox/docker/docker-settings.ts';
import { createDocker } from '../../../../activities/sandbox/docker/docker.ts';

const [needs = '', run = '', command = '', how] = process.argv.slice(2);
const opened = await createDocker(JSON.parse(needs) as DockerNeeds).open(
  JSON.parse(run) as { id: string; tenantId: string; projectPath: string },
);
await (await opened.forCall()).exec({
  command,
  key: 'run/1.0',
  signal: new AbortController().signal,
  onStart: () => (how === 'never-recorded' ? new Promise(() => {}) : Promise.resolve()),
  onOutput() {},
});
if (how === 'ends') await opened.close('ended');
