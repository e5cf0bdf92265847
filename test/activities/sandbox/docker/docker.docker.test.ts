import { createDocker } from '../../../../activities/sandbox/docker/docker.ts';
import { sandboxConformance } from '../conformance.ts';
import { openInFolder } from '../opened.ts';

sandboxConformance('a container', () =>
  openInFolder(createDocker, () => ({ programs: '', gitBounds: async () => ({}) }), {
    reused: { call: 'run/none', mark: '0123456789abcdef' },
    elsewhere: { engine: 'another' },
  }),
);
