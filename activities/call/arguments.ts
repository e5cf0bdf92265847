// The arguments of a call as a model wrote them: read, and held against what the tool takes. What is wrong with them is
// a sentence for the model.
import { isDeeperThan } from '../store/db/storable.ts';
import { isStorable } from '../../workflows/contracts/storable.ts';
import type { Tool } from '../tools/tool.ts';

export type Parsed = { ok: true; input: unknown } | { ok: false; problem: string };

// Far more than any tool takes, and far less than what takes the stack of whoever walks it by recursion, as schemas,
// JSON.stringify and Postgres do.
const mostLevels = 100;

export function parseJson(text: string): Parsed {
  let value: unknown;
  try {
    // Models write no arguments as an empty string.
    value = JSON.parse(text.trim() === '' ? '{}' : text);
  } catch (error) {
    return {
      ok: false,
      problem: `The arguments are not valid JSON (${(error as Error).message}). Send the call again.`,
    };
  }
  if (isDeeperThan(mostLevels, value)) {
    return {
      ok: false,
      problem: `The arguments are nested deeper than ${mostLevels} levels. Send flatter ones.`,
    };
  }
  // They are stored with the call before it is made, and what is stored is what runs.
  if (!isStorable(value)) {
    return {
      ok: false,
      problem: 'The arguments hold a NUL character or half of a surrogate pair. Leave it out.',
    };
  }
  return { ok: true, input: value };
}

export function parseFor(tool: Tool, text: string): Parsed {
  const json = parseJson(text);
  if (!json.ok) return json;
  const parsed = tool.input.safeParse(json.input);
  if (parsed.success) return { ok: true, input: parsed.data };
  return { ok: false, problem: misfit(tool.name, parsed.error.issues) };
}

export function misfit(
  tool: string,
  issues: readonly { path: readonly PropertyKey[]; message: string }[],
): string {
  // The first few say what to do; each may name every key that was sent.
  const problems = issues
    .slice(0, 5)
    .map(({ path, message }) => `${path.map(String).join('.') || 'input'}: ${message}`.slice(0, 1000));
  return `The arguments do not fit ${tool}: ${problems.join('; ')}.`;
}
