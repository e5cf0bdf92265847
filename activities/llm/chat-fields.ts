// What servers of OpenAI's chat format send beside text and calls, and want back: out of the raw chunks of a stream.
import type { MetadataExtractor } from '@ai-sdk/openai-compatible';
import type { JSONObject, JSONValue } from '@ai-sdk/provider';
import { ownMetadata } from './kept.ts';

type Extractor = ReturnType<MetadataExtractor['createStreamExtractor']>;

// More than any answer has; a server that sends more is broken.
const mostDetails = 2_000;

export function createFieldExtractor(): Extractor {
  const details: JSONObject[] = [];
  let extra: JSONObject | undefined;
  let reasoningField: string | undefined;
  return {
    processChunk(chunk) {
      const delta = deltaOf(chunk);
      if (delta === undefined) return;
      for (const name of ['reasoning_content', 'reasoning'])
        if (typeof delta[name] === 'string' && delta[name] !== '') reasoningField ??= name;
      if (isObject(delta['extra_content'])) extra = { ...extra, ...delta['extra_content'] };
      const given = delta['reasoning_details'];
      if (Array.isArray(given)) for (const detail of given) if (isObject(detail)) addDetail(details, detail);
    },
    buildMetadata() {
      const fields = {
        ...(details.length > 0 && { reasoning_details: details }),
        ...(extra !== undefined && { extra_content: extra }),
      };
      const found = {
        ...(Object.keys(fields).length > 0 && { fields }),
        ...(reasoningField !== undefined && { reasoningField }),
      };
      return Object.keys(found).length === 0 ? undefined : { [ownMetadata]: found };
    },
  };
}

/** A detail is streamed in pieces: those of one kind and index are one. */
function addDetail(details: JSONObject[], piece: JSONObject): void {
  const last = details.at(-1);
  const isSame = last !== undefined && last['type'] === piece['type'] && last['index'] === piece['index'];
  if (!isSame || last['type'] === 'reasoning.encrypted') {
    if (details.length < mostDetails) details.push({ ...piece });
    return;
  }
  for (const [key, value] of Object.entries(piece)) {
    const before = last[key];
    if (typeof value === 'string' && typeof before === 'string' && ['text', 'summary'].includes(key))
      last[key] = before + value;
    else if (value !== null && value !== undefined) last[key] = value;
  }
}

function deltaOf(chunk: unknown): JSONObject | undefined {
  const choices = isObject(chunk) ? chunk['choices'] : undefined;
  const first: unknown = Array.isArray(choices) ? choices[0] : undefined;
  const delta = isObject(first) ? first['delta'] : undefined;
  return isObject(delta) ? delta : undefined;
}

function isObject(value: unknown): value is { [key: string]: JSONValue | undefined } {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
