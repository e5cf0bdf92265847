import { withKernel } from '../support/kernel.ts';
import { containedRuns, hybridRuns } from './contained-runs.ts';

withKernel(
  (kernel) => {
    containedRuns(kernel, 'sandbox', 'own');
    hybridRuns(kernel, 'sandbox');
  },
  { replay: 'never' },
);
