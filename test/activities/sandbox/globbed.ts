// The names that the tool `glob` finds in a sandbox.
import { glob } from '../../../activities/tools/glob.ts';
import type { Sandbox } from '../../../activities/sandbox/sandbox.ts';
import type { ToolContext } from '../../../activities/tools/tool.ts';

export async function globbed(sandbox: Sandbox, pattern: string): Promise<string> {
  const context = { sandbox, signal: new AbortController().signal } as ToolContext;
  return (await glob.run({ pattern }, context)).output;
}
