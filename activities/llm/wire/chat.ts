// OpenAI's chat completions, as compatible servers send them.
import type { FormatReader } from './format.ts';
import { argumentsText, isObject, type Json, nameOf, objectsIn, textOr } from './json.ts';

export function readChat(): FormatReader {
  let reason: string | undefined;
  let used = false;
  let over = false;
  let called = false;

  function take(chunk: Json): Json[] {
    const usage = usageIn(chunk['usage']);
    // One answer is asked for; a second one is not mixed into it.
    const choices = objectsIn(chunk['choices'])
      .filter(({ index }) => Number(index ?? 0) === 0)
      .map(choiceIn)
      .filter((choice) => choice !== undefined);
    for (const { finish_reason, delta } of choices) {
      reason = textOr(finish_reason, reason);
      called ||= objectsIn(isObject(delta) ? delta['tool_calls'] : undefined).length > 0;
    }
    used ||= usage !== undefined;
    if (choices.length === 0 && usage === undefined) return [];
    return [{ ...headOf(chunk), choices, ...(usage !== undefined && { usage }) }];
  }

  return {
    take,
    whole(body) {
      const choices = objectsIn(body['choices']);
      if (!choices.some((choice) => isObject(choice['message']))) return undefined;
      const chunks = take(body);
      return [...chunks, ...this.close()];
    },
    close() {
      over = true;
      if (reason !== undefined) return [];
      reason = called ? 'tool_calls' : 'stop';
      return [{ choices: [{ index: 0, delta: {}, finish_reason: reason }] }];
    },
    progress: () => (over ? 'over' : reason === undefined ? 'open' : used ? 'complete' : 'finished'),
  };
}

/** Everything around the choices, without what is not of its type: the package refuses a chunk for that. */
function headOf(chunk: Json): Json {
  const { id, created, model, usage: _usage, choices: _choices, ...more } = chunk;
  return {
    ...more,
    ...(typeof id === 'string' && { id }),
    ...(typeof created === 'number' && { created }),
    ...(typeof model === 'string' && { model }),
  };
}

/** Undefined: the choice carries nothing. An unstreamed answer has a message where the others have a delta. */
function choiceIn({ delta, message, finish_reason, ...more }: Json): Json | undefined {
  const said = isObject(delta) ? delta : isObject(message) ? message : undefined;
  const why = nameOf(finish_reason);
  if (said === undefined && why === '') return undefined;
  return {
    ...more,
    ...(said !== undefined && { delta: deltaIn(said) }),
    finish_reason: why === '' ? null : why,
  };
}

function deltaIn({ role, content, tool_calls, function_call, ...more }: Json): Json {
  const calls = objectsIn(tool_calls).map(callIn);
  // The format before tools had one call, and no list.
  if (calls.length === 0 && isObject(function_call)) calls.push(callIn({ function: function_call }, 0));
  const thoughts = ['reasoning_content', 'reasoning'].filter(
    (key) => key in more && typeof more[key] !== 'string',
  );
  return {
    ...Object.fromEntries(Object.entries(more).filter(([key]) => !thoughts.includes(key))),
    // Whatever a server calls it, what it streams was said by the model.
    ...(role !== undefined && role !== null && { role: 'assistant' }),
    ...contentIn(content),
    ...(calls.length > 0 && { tool_calls: calls }),
  };
}

function contentIn(content: unknown): Json {
  if (typeof content === 'string') return { content };
  if (Array.isArray(content))
    return { content: objectsIn(content).filter((part) => typeof part['type'] === 'string') };
  if (isObject(content)) return { content: textOr(content['text'], '') };
  return {};
}

function callIn({ index, id, function: named, ...more }: Json, place: number): Json {
  const { name, arguments: input, ...others } = isObject(named) ? named : ({} as Json);
  const text = argumentsText(input);
  const number = index === undefined || index === null ? place : Number(index);
  return {
    ...more,
    index: Number.isInteger(number) ? number : place,
    ...(nameOf(id) !== '' && { id: nameOf(id) }),
    function: {
      ...others,
      ...(typeof name === 'string' && name !== '' && { name }),
      ...(text !== undefined && { arguments: text }),
    },
  };
}

/** Numbers sent as text are numbers; whatever else is no number is left out. */
export function usageIn(usage: unknown): Json | undefined {
  if (!isObject(usage)) return undefined;
  const entries = Object.entries(usage).flatMap(([key, value]): [string, unknown][] => {
    if (isObject(value)) return [[key, usageIn(value)]];
    const count = typeof value === 'string' && value !== '' ? Number(value) : value;
    return typeof count === 'number' && Number.isFinite(count) ? [[key, count]] : [];
  });
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}
