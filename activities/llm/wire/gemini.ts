// Gemini's generateContent. Each chunk may have the usage so far, and older models an end in each.
import type { FormatReader } from './format.ts';
import { isObject, type Json, objectsIn, parsed, textOr } from './json.ts';

export function readGemini(): FormatReader {
  let reason: string | undefined;
  let used = false;
  let over = false;

  function take(chunk: Json): Json[] {
    const { candidates, usageMetadata, promptFeedback, error: _error, ...more } = chunk;
    const kept = objectsIn(candidates).map(candidateIn);
    for (const { finishReason } of kept) reason = textOr(finishReason, reason);
    if (isObject(promptFeedback)) reason = textOr(promptFeedback['blockReason'], reason);
    const hasUsage = isObject(usageMetadata);
    used ||= hasUsage;
    if (kept.length === 0 && !hasUsage && !isObject(promptFeedback)) return [];
    return [
      {
        ...more,
        ...(kept.length > 0 && { candidates: kept }),
        ...(hasUsage && { usageMetadata }),
        ...(isObject(promptFeedback) && { promptFeedback }),
      },
    ];
  }

  return {
    take,
    whole(body) {
      if (!Array.isArray(body['candidates']) && !isObject(body['promptFeedback'])) return undefined;
      return [...take(body), ...this.close()];
    },
    close() {
      over = true;
      if (reason !== undefined) return [];
      reason = 'STOP';
      return [{ candidates: [{ content: { role: 'model', parts: [] }, finishReason: reason }] }];
    },
    progress: () => (over ? 'over' : reason === undefined ? 'open' : used ? 'complete' : 'finished'),
  };
}

function candidateIn({ content, finishReason, ...more }: Json): Json {
  const ends = typeof finishReason === 'string' && !/^$|UNSPECIFIED/.test(finishReason);
  return {
    ...more,
    ...(isObject(content) && {
      content: { role: 'model', parts: objectsIn(content['parts']).map(partIn) },
    }),
    ...(ends && { finishReason }),
  };
}

/** Arguments are an object in this format; proxies in front of other servers send their text. */
function partIn(part: Json): Json {
  const { functionCall } = part;
  if (!isObject(functionCall) || typeof functionCall['args'] !== 'string') return part;
  const args = parsed(functionCall['args']);
  return { ...part, functionCall: { ...functionCall, args: isObject(args) ? args : {} } };
}
