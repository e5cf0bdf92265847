// An earlier answer as it is sent back: its text and calls, and what came with them when the same server is asked.
import type {
  JSONObject,
  JSONValue,
  LanguageModelV4Message,
  LanguageModelV4ReasoningPart,
  LanguageModelV4TextPart,
  LanguageModelV4ToolCallPart,
  SharedV4ProviderOptions,
} from '@ai-sdk/provider';
import type { Kept, KeptOptions } from '../../workflows/contracts/message.ts';
import { callIdFor } from './call-id.ts';
import type { Addressee } from './choose-profile.ts';
import type { LlmCall, LlmMessage } from './llm.ts';
import type { Taken } from './server-profiles.ts';

type Answer = LanguageModelV4Message & { role: 'assistant' };
type Parts = (LanguageModelV4TextPart | LanguageModelV4ReasoningPart | LanguageModelV4ToolCallPart)[];

/** Undefined for an answer that says nothing: providers refuse an empty message. */
export function toAnswer(
  message: LlmMessage & { role: 'assistant' },
  { profile, source }: Addressee,
): Answer | undefined {
  // What another model said of itself is for that model alone.
  const kept = message.kept?.source === source ? message.kept : undefined;
  const calls = message.calls.map((call) => toCallPart(call, profile.callIds));
  const parts = toParts(message.text, calls, kept, profile.reasoning === 'package');
  if (!parts.some(({ type }) => type !== 'reasoning')) return undefined;
  const fields = profile.reasoning === 'package' ? kept?.fields : fieldsOf(message, kept, profile);
  return {
    role: 'assistant',
    content: parts,
    // The compatible package puts these into the message as they are.
    ...(fields !== undefined &&
      Object.keys(fields).length > 0 && { providerOptions: { openaiCompatible: fields as JSONObject } }),
  };
}

/** In the order in which they came, as far as that can still be told. */
function toParts(
  text: string,
  calls: LanguageModelV4ToolCallPart[],
  kept: Kept | undefined,
  withReasoning: boolean,
): Parts {
  const pieces = kept?.parts ?? [];
  const length = pieces.reduce((sum, part) => sum + (part.type === 'text' ? part.length : 0), 0);
  const isWhole = length === text.length;
  const left = [...calls];
  const parts: Parts = [];
  let place = 0;
  const addText = (piece: string, options?: KeptOptions): void => {
    if (piece.trim() !== '' || options !== undefined)
      parts.push({ type: 'text', text: piece, ...withOptions(options) });
  };
  for (const part of pieces) {
    if (part.type === 'reasoning' && withReasoning)
      parts.push({ type: 'reasoning', text: part.text, ...withOptions(part.options) });
    if (part.type === 'text' && isWhole) addText(text.slice(place, (place += part.length)), part.options);
    // A text that was changed since has lost its place among the calls: it is sent before all of them.
    if (part.type !== 'call') continue;
    if (!isWhole && place === 0) {
      addText(text);
      place = text.length;
    }
    const call = left.shift();
    if (call !== undefined) parts.push({ ...call, ...withOptions(part.options) });
  }
  if (place === 0) addText(text);
  return [...parts, ...left];
}

function withOptions(options: KeptOptions | undefined): { providerOptions?: SharedV4ProviderOptions } {
  return options === undefined ? {} : { providerOptions: options as SharedV4ProviderOptions };
}

/** What a message of the chat format has beside text and calls. */
function fieldsOf(
  { text, calls }: LlmMessage & { role: 'assistant' },
  kept: Kept | undefined,
  profile: Taken,
): Record<string, unknown> {
  const thoughts = (kept?.parts ?? []).flatMap((part) => (part.type === 'reasoning' ? [part.text] : []));
  const reasoning = thoughts.join('');
  const isSilent = text.trim() === '';
  return {
    ...(isSilent && profile.noText === 'empty' && { content: '' }),
    ...kept?.fields,
    ...(isSilent || calls.length === 0 || profile.reasoningBesideText
      ? reasoningFields(reasoning, text, calls.length > 0, kept, profile)
      : {}),
  };
}

function reasoningFields(
  reasoning: string,
  text: string,
  hasCalls: boolean,
  kept: Kept | undefined,
  { reasoning: form, reasoningFiller }: Taken,
): Record<string, unknown> {
  if (reasoning === '')
    return reasoningFiller !== undefined && hasCalls && form !== 'none' ? { [form]: reasoningFiller } : {};
  switch (form) {
    case 'as-came':
      return kept?.reasoningField === undefined ? {} : { [kept.reasoningField]: reasoning };
    case 'reasoning':
      // The details hold the same text.
      return kept?.fields?.['reasoning_details'] === undefined ? { reasoning } : {};
    case 'chunks':
      return {
        content: [
          { type: 'thinking', thinking: [{ type: 'text', text: reasoning }] },
          ...(text.trim() === '' ? [] : [{ type: 'text', text }]),
        ],
      };
    case 'reasoning_content':
      return { reasoning_content: reasoning };
    default:
      return {};
  }
}

function toCallPart(call: LlmCall, ids: Taken['callIds']): LanguageModelV4ToolCallPart {
  return {
    type: 'tool-call',
    toolCallId: callIdFor(call.id, ids),
    toolName: call.name,
    input: toArguments(call),
  };
}

/** Providers take only an object as arguments; what the model wrote instead is shown to it as it was. */
function toArguments(call: LlmCall): JSONObject {
  try {
    const value: unknown = JSON.parse(call.input);
    if (isObject(value)) return value;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  return { malformed: call.input };
}

function isObject(value: unknown): value is { [key: string]: JSONValue | undefined } {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
