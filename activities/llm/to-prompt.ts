// Our messages and tools in the shape of the ai-sdk specification. Pure: the same request gives the same
// bytes, which is what lets a provider's prompt cache work.
import type {
  JSONObject,
  LanguageModelV4CallOptions,
  LanguageModelV4Message,
  LanguageModelV4Prompt,
  LanguageModelV4ToolResultPart,
  SharedV4ProviderOptions,
} from '@ai-sdk/provider';
import type { LlmCall, LlmMessage, LlmRequest } from './llm.ts';

export interface PromptDialect {
  /** Sent with every request of the provider. */
  providerOptions?: SharedV4ProviderOptions;
  /** Marks where a provider that wants to be told may cut its cache; set on the ends of the stable parts. */
  cacheMark?: SharedV4ProviderOptions;
}

export function toCallOptions(request: LlmRequest, dialect: PromptDialect): LanguageModelV4CallOptions {
  return {
    prompt: withCacheMarks(toPrompt(request.messages), dialect.cacheMark),
    maxOutputTokens: request.maxOutputTokens,
    ...(request.tools.length > 0 && {
      tools: request.tools.map(({ name, description, inputSchema }) => ({
        type: 'function' as const,
        name,
        description,
        inputSchema,
      })),
    }),
    ...(dialect.providerOptions !== undefined && { providerOptions: dialect.providerOptions }),
  };
}

function toPrompt(messages: LlmMessage[]): LanguageModelV4Prompt {
  const prompt: LanguageModelV4Prompt = [];
  for (const message of messages) {
    const last = prompt.at(-1);
    // The results of parallel calls belong into one message.
    if (message.role === 'tool' && last?.role === 'tool') last.content.push(toResultPart(message));
    else prompt.push(...toMessage(message));
  }
  return prompt;
}

function toMessage(message: LlmMessage): LanguageModelV4Message[] {
  switch (message.role) {
    case 'system':
      return [{ role: 'system', content: message.text }];
    case 'user':
      return [{ role: 'user', content: [{ type: 'text', text: message.text }] }];
    case 'tool':
      return [{ role: 'tool', content: [toResultPart(message)] }];
    case 'assistant': {
      const content = [
        ...(message.text.trim() === '' ? [] : [{ type: 'text' as const, text: message.text }]),
        ...message.calls.map((call) => ({
          type: 'tool-call' as const,
          toolCallId: call.id,
          toolName: call.name,
          input: toArguments(call),
        })),
      ];
      // Providers refuse an empty message; one that says nothing can be left out.
      return content.length === 0 ? [] : [{ role: 'assistant', content }];
    }
  }
}

function toResultPart(message: LlmMessage & { role: 'tool' }): LanguageModelV4ToolResultPart {
  return {
    type: 'tool-result',
    toolCallId: message.callId,
    toolName: message.name,
    output: { type: message.failed ? 'error-text' : 'text', value: message.text },
  };
}

/** Providers take only an object as arguments; what the model wrote instead is shown to it as it was. */
function toArguments(call: LlmCall): JSONObject {
  try {
    const value: unknown = JSON.parse(call.input);
    if (value !== null && typeof value === 'object' && !Array.isArray(value)) return value as JSONObject;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  return { malformed: call.input };
}

/** The system text changes never and all but the last message (the dynamic context) not until the next step. */
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
