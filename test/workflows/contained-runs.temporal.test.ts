import { describe } from 'vitest';
import { probeBubblewrap } from '../../activities/sandbox/bubblewrap/probe.ts';
import { withKernel } from '../support/kernel.ts';
import { containedRuns, hybridRuns } from './contained-runs.ts';

const isThere = (await probeBubblewrap()).ok;

describe.skipIf(!isThere)('where bubblewrap starts', () => {
  withKernel(
    (kernel) => {
      containedRuns(kernel, 'bubblewrap', 'in-place');
      containedRuns(kernel, 'bubblewrap', 'own');
      hybridRuns(kernel, 'bubblewrap');
    },
    { replay: 'never' },
  );
});
