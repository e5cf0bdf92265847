// How large each part of a prompt is, in the order in which the model reads them. Pure.
import type { PromptPart } from '../../workflows/contracts/prompt-record.ts';
import { type LlmMessage, tokensOfFiles, untagged } from '../llm/llm.ts';
import type { ToolSpec } from '../tools/tool.ts';
import type { ContextBlock } from './assemble.ts';
import { tokensOf, tokensOfMessage } from './tokens.ts';

export function partsOf({
  messages,
  tools,
  context,
}: {
  messages: readonly LlmMessage[];
  tools: readonly ToolSpec[];
  context: readonly ContextBlock[];
}): PromptPart[] {
  const sizes = new Map<PromptPart['part'], number>([
    ['system', 0],
    ['tools', tools.length === 0 ? 0 : tokensOf(JSON.stringify(tools))],
  ]);
  for (const message of messages) {
    const part = partOf(message);
    if (part !== undefined) sizes.set(part, (sizes.get(part) ?? 0) + sizeOf(message));
  }
  return [
    ...[...sizes].map(([part, tokens]) => ({ part, tokens })),
    ...context.map(({ owner, text }) => ({
      part: 'block' as const,
      name: owner,
      tokens: tokensOf(text),
      text,
    })),
  ];
}

/** Undefined: the context alone, which is counted block by block. */
function partOf(message: LlmMessage): PromptPart['part'] | undefined {
  if (message.role === 'system') return 'system';
  if (message.role !== 'user') return 'history';
  const tag = untagged(message.text)?.tag;
  if (tag === 'context') return undefined;
  return tag === 'summary' || tag === 'project' ? tag : 'history';
}

function sizeOf(message: LlmMessage): number {
  return tokensOfMessage(message) + (message.role === 'user' ? tokensOfFiles(message.files ?? []) : 0);
}
