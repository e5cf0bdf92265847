// Whether the long tests run too, for what is made or chosen before a test can say by its tag that it is one of them.
import { TestRunner } from 'vitest';
import { faults } from '../tiers.ts';

export const withFaults: boolean = TestRunner.matchesTags([faults.name]);
