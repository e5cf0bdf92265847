// What can go wrong between a client and the server, as two errors callers tell apart.
import type { ProblemView } from '../../workflows/contracts/system.ts';

/** The server answered, and the answer is no; `problem` says why in words for people. */
export class ProblemError extends Error {
  readonly status: number;
  readonly problem: ProblemView;

  constructor(status: number, problem: ProblemView) {
    // The detail is a sentence of its own; with the title before it, it would be said twice.
    super(problem.detail || problem.title);
    this.name = 'ProblemError';
    this.status = status;
    this.problem = problem;
  }
}

/** No answer, for as long as the client was willing to try; what was asked may or may not have happened. */
export class Unreachable extends Error {
  readonly url: string;

  constructor(url: string, cause: unknown) {
    super(`No answer from ${url}: ${reasonOf(cause)}.`, { cause });
    this.name = 'Unreachable';
    this.url = url;
  }
}

/** The stream broke its own contract (a gap in the numbers, a frame that is not an event): a bug, never retried. */
export class BrokenStream extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'BrokenStream';
  }
}

/** Something between us and the API may answer without a problem document: a proxy, an older server. */
export function toProblem(status: number, text: string): ProblemView {
  const found = parsed(text);
  const has = (name: string): string | undefined => {
    const value = found?.[name];
    return typeof value === 'string' ? value : undefined;
  };
  if (has('title') !== undefined && has('code') !== undefined) {
    return found as unknown as ProblemView;
  }
  return {
    type: 'about:blank',
    title: `HTTP ${status}`,
    status,
    detail: `The server answered ${status} without saying why.`,
    code: '',
    requestId: '',
  };
}

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

// fetch says only "fetch failed"; what happened is one or two causes further down.
function reasonOf(cause: unknown): string {
  let deepest = cause;
  while (deepest instanceof Error && deepest.cause !== undefined) deepest = deepest.cause;
  if (!(deepest instanceof Error)) return String(deepest);
  const code = (deepest as { code?: unknown }).code;
  return deepest.message || (typeof code === 'string' ? code : deepest.name);
}
