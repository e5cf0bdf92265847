// OpenAI's responses. The package passes over kinds of events that it does not know.
import { usageIn } from './chat.ts';
import type { FormatReader } from './format.ts';
import { argumentsText, isObject, type Json, objectsIn, textOr } from './json.ts';

const ends = ['response.completed', 'response.incomplete'];

export function readResponses(): FormatReader {
  let over = false;
  let said = false;

  function take(chunk: Json): Json[] {
    const type = textOr(chunk['type'], '');
    if (!type.startsWith('response.')) return [];
    if (ends.includes(type)) {
      over = true;
      // Some servers stream nothing and have all of it in the end.
      const unsaid = said || !isObject(chunk['response']) ? [] : itemsOf(chunk['response']);
      return [...unsaid.flatMap(take), { ...chunk, response: endIn(chunk['response']) }];
    }
    if (type === 'response.created') return [{ ...chunk, response: startIn(chunk['response']) }];
    if (type.startsWith('response.output_item.')) {
      said = true;
      const item = itemIn(chunk['item'], type.endsWith('.done') ? 'completed' : 'in_progress');
      return item === undefined ? [] : [{ ...chunk, output_index: placeIn(chunk), item }];
    }
    if (!type.endsWith('.delta')) return [chunk];
    const delta = argumentsText(chunk['delta']);
    if (delta === undefined) return [];
    said = true;
    const item_id = textOr(chunk['item_id'], `item_${placeIn(chunk)}`);
    return [{ ...chunk, item_id, output_index: placeIn(chunk), delta }];
  }

  function close(): Json[] {
    return over ? [] : take({ type: 'response.completed', response: {} });
  }

  return {
    take,
    whole(body) {
      if (!Array.isArray(body['output'])) return undefined;
      return eventsOf(body).flatMap(take);
    },
    close,
    progress: () => (over ? 'over' : 'open'),
  };
}

function placeIn({ output_index }: Json): number {
  return Number.isInteger(output_index) ? Number(output_index) : 0;
}

function startIn(response: unknown): Json {
  return { id: 'response', created_at: 0, model: 'unknown', ...(isObject(response) ? response : {}) };
}

function endIn(response: unknown): Json {
  const { usage, incomplete_details, ...more } = isObject(response) ? response : ({} as Json);
  const counts = usageIn(usage);
  const has = isObject(incomplete_details) && typeof incomplete_details['reason'] === 'string';
  const fits = counts !== undefined && 'input_tokens' in counts && 'output_tokens' in counts;
  return { ...more, ...(fits && { usage: counts }), ...(has && { incomplete_details }) };
}

function itemIn(item: unknown, status: string): Json | undefined {
  if (!isObject(item) || typeof item['type'] !== 'string') return undefined;
  if (item['type'] !== 'function_call') return item;
  const id = textOr(item['call_id'], textOr(item['id'], 'call_0'));
  return {
    status,
    ...item,
    call_id: id,
    id: textOr(item['id'], id),
    name: textOr(item['name'], ''),
    arguments: argumentsText(item['arguments']) ?? '',
  };
}

/** The events a whole response would have come in. */
function eventsOf({ output, ...response }: Json): Json[] {
  const type = response['status'] === 'incomplete' ? 'response.incomplete' : 'response.completed';
  return [{ type: 'response.created', response }, ...itemsOf({ output }), { type, response }];
}

function itemsOf({ output }: Json): Json[] {
  return objectsIn(output).flatMap((item, output_index) => {
    const id = textOr(item['id'], `item_${output_index}`);
    const texts = objectsIn(item['content']).map((part) => part['text'] ?? part['refusal']);
    return [
      { type: 'response.output_item.added', output_index, item: { ...item, id } },
      ...texts.map((delta) => ({
        type: 'response.output_text.delta',
        item_id: id,
        output_index,
        content_index: 0,
        delta,
      })),
      { type: 'response.output_item.done', output_index, item: { ...item, id } },
    ];
  });
}
