// Anthropic's messages, also as other servers imitate them.
import { usageIn } from './chat.ts';
import type { FormatReader } from './format.ts';
import { argumentsText, isObject, type Json, objectsIn, textOr } from './json.ts';

export function readMessages(): FormatReader {
  let reason: string | undefined;
  let used = false;
  let over = false;
  let called = false;
  const open = new Set<number>();
  // Blocks of a kind that was not asked for.
  const passedOver = new Set<number>();

  /** A block that was not ended ends with its message: the package hands a call over only at the end of its block. */
  function endBlocks(): Json[] {
    const ends = [...open].map((index) => ({ type: 'content_block_stop', index }));
    open.clear();
    return ends;
  }

  function take(chunk: Json): Json[] {
    const index = Number.isInteger(chunk['index']) ? Number(chunk['index']) : 0;
    switch (chunk['type']) {
      case 'message_start':
        return [{ ...chunk, message: startIn(chunk['message']) }];
      case 'content_block_start': {
        const block = blockIn(chunk['content_block']);
        if (block === undefined) {
          passedOver.add(index);
          return [];
        }
        open.add(index);
        called ||= block['type'] === 'tool_use';
        return startsOf(block, index);
      }
      case 'content_block_delta': {
        const delta = deltaIn(chunk['delta']);
        if (delta === undefined || passedOver.has(index)) return [];
        const begins = open.has(index) ? [] : unsaidStart(delta, index);
        if (begins === undefined) return [];
        open.add(index);
        return [...begins, { ...chunk, index, delta }];
      }
      case 'content_block_stop':
        return open.delete(index) ? [{ ...chunk, index }] : [];
      case 'message_delta': {
        const usage = usageIn(chunk['usage']);
        const delta = isObject(chunk['delta']) ? chunk['delta'] : {};
        reason = textOr(delta['stop_reason'], reason);
        used ||= usage !== undefined;
        return [...endBlocks(), { ...chunk, delta, usage: { output_tokens: 0, ...usage } }];
      }
      case 'message_stop':
        return close(chunk);
      default:
        // A ping, or a kind of event that is newer than the package, which would refuse it.
        return [];
    }
  }

  function close(stop: Json = { type: 'message_stop' }): Json[] {
    const ended = over;
    over = true;
    if (ended) return [];
    if (reason !== undefined) return [...endBlocks(), stop];
    reason = called ? 'tool_use' : 'end_turn';
    const end = { type: 'message_delta', delta: { stop_reason: reason }, usage: { output_tokens: 0 } };
    return [...endBlocks(), end, stop];
  }

  return {
    take,
    whole(body) {
      if (!Array.isArray(body['content'])) return undefined;
      return [...eventsOf(body).flatMap(take), ...close()];
    },
    close,
    progress: () => (over ? 'over' : reason === undefined ? 'open' : used ? 'complete' : 'finished'),
  };
}

function startIn(message: unknown): Json {
  // Content it may already hold is sent again in blocks.
  const { content: _content, ...more } = isObject(message) ? message : ({} as Json);
  return { ...more, usage: { input_tokens: 0, ...usageIn(more['usage']) } };
}

/** Undefined: a kind of block that was not asked for, and that the package might refuse. */
function blockIn(block: unknown): Json | undefined {
  if (!isObject(block)) return undefined;
  switch (block['type']) {
    case 'text':
      return { ...block, text: textOr(block['text'], '') };
    case 'thinking':
      return { ...block, thinking: textOr(block['thinking'], '') };
    case 'redacted_thinking':
      return block;
    case 'tool_use':
      return {
        ...block,
        id: textOr(block['id'], `toolu_${textOr(block['name'], '')}`),
        name: textOr(block['name'], ''),
        input: block['input'] ?? {},
      };
    default:
      return undefined;
  }
}

/** The start of a block. The package reads no text there, so what some servers put into it follows as its first piece. */
function startsOf(block: Json, index: number): Json[] {
  const key = textOr(block['type'], '');
  const text = key === 'text' || key === 'thinking' ? textOr(block[key], '') : '';
  if (text === '') return [{ type: 'content_block_start', index, content_block: block }];
  return [
    { type: 'content_block_start', index, content_block: { ...block, [key]: '' } },
    { type: 'content_block_delta', index, delta: { type: `${key}_delta`, [key]: text } },
  ];
}

/** The start of a block that was left out; undefined where a piece does not tell what it is of. */
function unsaidStart({ type }: Json, index: number): Json[] | undefined {
  const key = type === 'text_delta' ? 'text' : type === 'thinking_delta' ? 'thinking' : undefined;
  return key && [{ type: 'content_block_start', index, content_block: { type: key, [key]: '' } }];
}

/** What each kind of delta carries. */
const carried: Record<string, string> = {
  text_delta: 'text',
  thinking_delta: 'thinking',
  signature_delta: 'signature',
  input_json_delta: 'partial_json',
};

function deltaIn(delta: unknown): Json | undefined {
  const key = isObject(delta) ? carried[textOr(delta['type'], '')] : undefined;
  if (!isObject(delta) || key === undefined) return undefined;
  const text = argumentsText(delta[key]);
  return text === undefined ? undefined : { ...delta, [key]: text };
}

/** The events a whole message would have come in. */
function eventsOf({ content, stop_reason, usage, ...message }: Json): Json[] {
  const blocks = objectsIn(content).flatMap((block, index) => {
    const text = block['type'] === 'thinking' ? 'thinking' : block['type'] === 'text' ? 'text' : undefined;
    const { signature } = block;
    const deltas =
      text !== undefined
        ? [
            { type: `${text}_delta`, [text]: block[text] },
            ...(typeof signature === 'string' ? [{ type: 'signature_delta', signature }] : []),
          ]
        : block['type'] === 'tool_use'
          ? [{ type: 'input_json_delta', partial_json: block['input'] }]
          : [];
    const start = text === undefined ? { ...block, input: {} } : { ...block, [text]: '' };
    return [
      { type: 'content_block_start', index, content_block: start },
      ...deltas.map((delta) => ({ type: 'content_block_delta', index, delta })),
      { type: 'content_block_stop', index },
    ];
  });
  return [
    { type: 'message_start', message: { ...message, usage } },
    ...blocks,
    { type: 'message_delta', delta: { stop_reason: stop_reason ?? null }, usage },
  ];
}
