// The order of test files: group by group, in a group those that are known to take long first, then the larger ones.
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { longFiles } from './tiers.ts';

function rank({ moduleId }: TestSpecification): number {
  const at = longFiles.findIndex((name) => moduleId.endsWith(`/${name}`));
  return at === -1 ? longFiles.length : at;
}

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const group = ({ project }: TestSpecification): number => project.config.sequence.groupOrder;
    const usual = await super.sort(files);
    return usual.sort((one, other) => group(one) - group(other) || rank(one) - rank(other));
  }
}
