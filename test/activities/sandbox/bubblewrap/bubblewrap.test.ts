import { createBubblewrap } from '../../../../activities/sandbox/bubblewrap/bubblewrap.ts';
import { sandboxConformance } from '../conformance.ts';
import { openInFolder } from '../opened.ts';

sandboxConformance('bubblewrap', () =>
  openInFolder(createBubblewrap, () => ({
    programs: '/usr/local/bin:/usr/bin:/bin',
    gitBounds: async () => ({}),
  })),
);
