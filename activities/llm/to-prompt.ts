// Our messages and tools in the shape of the ai-sdk specification, in the form the server takes. Pure: the same request
// gives the same bytes, which is what lets a provider's prompt cache work.
import type {
  LanguageModelV4CallOptions,
  LanguageModelV4FilePart,
  LanguageModelV4Message,
  LanguageModelV4Prompt,
  LanguageModelV4ToolResultPart,
  SharedV4ProviderOptions,
} from '@ai-sdk/provider';
import type { Addressee } from './choose-profile.ts';
import { boundSchema } from './bound-schema.ts';
import { toAnswer } from './to-answer.ts';
import { callIdFor } from './call-id.ts';
import type { LlmFile, LlmMessage, LlmRequest } from './llm.ts';

export interface PromptDialect {
  /** Sent with every request of the provider. */
  providerOptions?: SharedV4ProviderOptions;
  /** Marks where a provider that wants to be told may cut its cache; set on the ends of the stable parts. */
  cacheMark?: SharedV4ProviderOptions;
}

/** `longest`: the longest answer that is sent, if any. */
export function toCallOptions(
  request: LlmRequest,
  to: Addressee,
  dialect: PromptDialect,
  longest: number | undefined,
): LanguageModelV4CallOptions {
  const isSmall = to.profile.schemaBounds === 'small';
  return {
    prompt: withCacheMarks(toPrompt(request.messages, to), dialect.cacheMark),
    ...(longest !== undefined && { maxOutputTokens: longest }),
    ...(request.temperature !== undefined && { temperature: request.temperature }),
    ...(request.tools.length > 0 && {
      tools: request.tools.map(({ name, description, inputSchema }) => ({
        type: 'function' as const,
        name,
        description,
        inputSchema: isSmall ? (boundSchema(inputSchema) as typeof inputSchema) : inputSchema,
      })),
    }),
    ...(dialect.providerOptions !== undefined && { providerOptions: dialect.providerOptions }),
  };
}

/**
 * Roles alternate: what people say after a tool's result is joined to that result, as a block of its own, and answers
 * or messages in a row are one. Many servers refuse anything else.
 */
function toPrompt(messages: LlmMessage[], to: Addressee): LanguageModelV4Prompt {
  const prompt: LanguageModelV4Prompt = [];
  for (const message of messages) {
    add(prompt, toMessage(message, to), to);
    // Of the last message only, and behind all else of it.
    const context = message.role === 'user' || message.role === 'tool' ? message.context : undefined;
    if (context !== undefined) addText(prompt, context, to);
  }
  return prompt;
}

function add(
  prompt: LanguageModelV4Prompt,
  message: LanguageModelV4Message | undefined,
  to: Addressee,
): void {
  const last = prompt.at(-1);
  if (message === undefined) return;
  if (message.role === 'user') {
    if (message.content.some(({ type }) => type === 'file')) addFiles(prompt, message, to);
    else for (const part of message.content) if (part.type === 'text') addText(prompt, part.text, to);
  } else if (message.role === 'tool' && last?.role === 'tool') {
    // The results of parallel calls belong into one message.
    last.content.push(...message.content);
  } else if (message.role === 'assistant' && last?.role === 'assistant') {
    const [first] = message.content;
    const before = last.content.at(-1);
    if (before?.type === 'text' && first?.type === 'text') first.text = `\n\n${first.text}`;
    last.content.push(...message.content);
  } else {
    prompt.push(message);
  }
}

/** No server takes a picture in a tool's result: here a message of a person may stand behind one. */
function addFiles(
  prompt: LanguageModelV4Prompt,
  message: LanguageModelV4Message & { role: 'user' },
  { profile }: Addressee,
): void {
  const last = prompt.at(-1);
  if (last?.role === 'user' && !profile.partsAfterResult) last.content.push(...message.content);
  else prompt.push(message);
}

/** A text of a person or of the platform. */
function addText(prompt: LanguageModelV4Prompt, text: string, { profile }: Addressee): void {
  const last = prompt.at(-1);
  if (profile.partsAfterResult) {
    // Its package makes one message of these.
    prompt.push({ role: 'user', content: [{ type: 'text', text }] });
    return;
  }
  const piece = last?.role === 'user' || last?.role === 'tool' ? last.content.at(-1) : undefined;
  if (piece?.type === 'text') piece.text = joined(piece.text, text);
  else if (piece?.type === 'tool-result' && 'value' in piece.output && typeof piece.output.value === 'string')
    piece.output.value = joined(piece.output.value, text);
  else prompt.push({ role: 'user', content: [{ type: 'text', text }] });
}

function joined(one: string, other: string): string {
  return `${one}\n\n${other}`;
}

function toMessage(message: LlmMessage, to: Addressee): LanguageModelV4Message | undefined {
  switch (message.role) {
    case 'system':
      return { role: 'system', content: message.text };
    case 'user':
      // Files first: models read what is asked of them better behind them.
      return { role: 'user', content: [...toFileParts(message.files), { type: 'text', text: message.text }] };
    case 'tool':
      return { role: 'tool', content: [toResultPart(message, to)] };
    case 'assistant':
      return toAnswer(message, to);
  }
}

function toFileParts(files: readonly LlmFile[] = []): LanguageModelV4FilePart[] {
  return files.map(({ name, mediaType, bytes }) => ({
    ...{ type: 'file', filename: name, mediaType },
    data: { type: 'data', data: bytes },
  }));
}

function toResultPart(
  message: LlmMessage & { role: 'tool' },
  { profile }: Addressee,
): LanguageModelV4ToolResultPart {
  return {
    type: 'tool-result',
    toolCallId: callIdFor(message.callId, profile.callIds),
    toolName: message.name,
    output: {
      type: message.failed && profile.failedResults === 'marked' ? 'error-text' : 'text',
      value: message.text,
    },
  };
}

/** The system text never changes; all messages but the last (the dynamic context) stay until the next step. */
function withCacheMarks(
  prompt: LanguageModelV4Prompt,
  mark: SharedV4ProviderOptions | undefined,
): LanguageModelV4Prompt {
  if (mark === undefined) return prompt;
  const ends = [prompt.findLastIndex((message) => message.role === 'system'), prompt.length - 2];
  return prompt.map((message, index) =>
    ends.includes(index) ? { ...message, providerOptions: mark } : message,
  );
}
