// Labels to look for, as a query has them: a JSON object in a text.
import { Failure } from '../../workflows/contracts/failures.ts';
import { Metadata } from '../../workflows/contracts/run.ts';
import { isStorable } from '../../workflows/contracts/storable.ts';

export function labelsOf(given: string | undefined): Record<string, string> | undefined {
  if (given === undefined) return undefined;
  const labels = Metadata.refine(isStorable).safeParse(fromJson(given));
  if (labels.success) return labels.data;
  const problem = 'must be a JSON object of texts, such as {"ticket":"12"}';
  throw new Failure('InvalidInput', `metadata ${problem}.`, { fields: [{ path: 'metadata', problem }] });
}

function fromJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
