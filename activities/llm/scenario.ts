// What a scenario file may say, and how one is read. A scenario is written by people: whatever is wrong with
// it is told in one sentence with its file and line.
import { LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';

const kinds = [
  'rate_limited',
  'overloaded',
  'timeout',
  'network',
  'unreadable',
  'bad_request',
  'auth',
  'context_too_long',
  'content_refused',
] as const;

// A minute: a scenario that should take longer can have more steps.
const delay = z.int().min(0).max(60_000);

const pattern = z.string().refine((source) => {
  try {
    new RegExp(source, 'u');
    return true;
  } catch {
    return false;
  }
}, 'must be a regular expression');

/** A plain text means "contains". */
const TextMatch = z.union(
  [z.string().min(1), z.strictObject({ contains: z.string().min(1) }), z.strictObject({ regex: pattern })],
  { error: 'must be a text, {contains: text} or {regex: expression}' },
);
export type TextMatch = z.infer<typeof TextMatch>;

const ScenarioStep = z.strictObject({
  /** A step whose match does not fit is passed over. */
  match: z.strictObject({ lastMessage: TextMatch.optional(), lastResult: TextMatch.optional() }).optional(),
  thinking: z.string().optional(),
  text: z.string().optional(),
  calls: z
    .array(
      z.strictObject({
        tool: z.string(),
        input: z.union([z.record(z.string(), z.json()), z.string()]).default({}),
      }),
    )
    .max(1_000)
    .optional(),
  /** Before the first part. */
  delayMs: delay.optional(),
  /** Before each word. */
  tokenDelayMs: delay.optional(),
  /** In place of the answer, for the first `times` attempts of a step; without `times`, for all. */
  error: z
    .strictObject({ kind: z.enum(kinds), retryAfterMs: delay.optional(), times: z.int().min(1).optional() })
    .optional(),
  /** How the answer ends, when it is not whole: cut at its longest length, or paused in the middle of a turn. */
  finish: z.enum(['length', 'paused']).optional(),
  usage: z
    .strictObject({
      inputTokens: z.int().min(0),
      cachedInputTokens: z.int().min(0).default(0),
      outputTokens: z.int().min(0),
    })
    .optional(),
});
export type ScenarioStep = z.infer<typeof ScenarioStep>;

const Scenario = z.strictObject({
  /** For people who read the file. */
  description: z.string().optional(),
  steps: z.array(ScenarioStep).min(1).max(100_000),
  /** What it answers whenever it is asked to sum up the conversation. */
  summary: ScenarioStep.optional(),
});
export type Scenario = z.infer<typeof Scenario>;

/** The scenario a file holds, or one sentence that says where it is wrong. */
export function parseScenario(file: string, source: string): { scenario: Scenario } | { problem: string } {
  const lines = new LineCounter();
  const document = parseDocument(source, { lineCounter: lines });
  const [flaw] = document.errors;
  if (flaw !== undefined) {
    return { problem: `${file}:${lines.linePos(flaw.pos[0]).line}: ${flaw.message.split('\n')[0]}` };
  }
  const parsed = Scenario.safeParse(document.toJS());
  if (parsed.success) return { scenario: parsed.data };
  const [issue] = parsed.error.issues;
  const path = (issue?.path ?? []) as (string | number)[];
  return {
    problem: `${file}:${lineOf(document, lines, path)}: ${path.join('.') || 'the file'}: ${issue?.message}`,
  };
}

/** The line of the innermost part of the path that exists in the file. */
function lineOf(
  document: ReturnType<typeof parseDocument>,
  lines: LineCounter,
  path: (string | number)[],
): number {
  for (let depth = path.length; depth > 0; depth -= 1) {
    const node = document.getIn(path.slice(0, depth), true) as
      | { range?: [number, number, number] }
      | undefined;
    if (node?.range !== undefined) return lines.linePos(node.range[0]).line;
  }
  return 1;
}
