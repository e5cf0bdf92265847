// How errors appear in the description of a route.
import { ProblemView } from '../../workflows/contracts/system.ts';

export const problem = (description: string) => ({
  description,
  content: { 'application/problem+json': { schema: ProblemView } },
});

/** An answer of JSON with a description of its own. */
export const jsonAnswer = <Schema>(description: string, schema: Schema) => ({
  description,
  content: { 'application/json': { schema } },
});

/** Spread into `response` of every route. */
export const problems = {
  '4xx': problem('The request was refused; `code` says why.'),
  '5xx': problem(
    'It could not be done now; try again when `code` is StoreUnavailable, ShuttingDown or DiskFull.',
  ),
};
