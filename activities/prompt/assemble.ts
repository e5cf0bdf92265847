// Builds the request's messages and tools, for every way into a run. Pure. What was sent once is sent again
// byte for byte: the messages are a prefix of those of every later step, so that providers can cache them. What
// changes from step to step is the context of the last message, which stands behind all else.
import { phases, type StoredMessage, type Summary } from '../../workflows/contracts/message.ts';
import { type LlmCall, type LlmMessage, tagged } from '../llm/llm.ts';
import type { ToolSpec } from '../tools/tool.ts';
import { type Attached, blocksOf, filesOf } from './attachments.ts';
import { splitHistory } from './compact.ts';
import { aboutInstructions, protocol } from './protocol.ts';

/** A piece of what changes with each step. Each owner has one. */
export interface ContextBlock {
  owner: string;
  text: string;
}

export interface Assembled {
  messages: LlmMessage[];
  tools: ToolSpec[];
}

/** Throws when the history is not whole: a call without its one result is a bug where it was stored. */
export function assemble(input: {
  tools: ToolSpec[];
  /** Those of its preset, filled in; null or left out: it has none. */
  instructions?: string | null;
  /** As the store gives it: run by run from the first of the chain. */
  history: StoredMessage[];
  /** The bytes of what its messages carry inline. */
  attached?: Attached;
  /** In the order in which the model reads them. */
  context: readonly ContextBlock[];
}): Assembled {
  return {
    messages: withContext(
      [
        { role: 'system', text: systemText(input.instructions) },
        ...toConversation(input.history, input.attached),
      ],
      tagged('context', joined(input.context)),
    ),
    // By name: the order in which tools are listed elsewhere must not make a cache cold.
    tools: input.tools.toSorted((one, other) => (one.name < other.name ? -1 : 1)),
  };
}

/** In one text: many servers take a single system message, and only as the first. */
function systemText(instructions: string | null = null): string {
  return instructions === null
    ? protocol
    : `${protocol}\n\n${aboutInstructions}\n${tagged('instructions', instructions)}`;
}

/** No message of its own: many servers refuse a user message after another one, or after a tool's result. */
function withContext(messages: LlmMessage[], context: string): LlmMessage[] {
  const last = messages.at(-1);
  return last?.role === 'user' || last?.role === 'tool'
    ? [...messages.slice(0, -1), { ...last, context }]
    : [...messages, { role: 'user', text: context }];
}

function joined(blocks: readonly ContextBlock[]): string {
  const owners = blocks.map(({ owner }) => owner);
  if (new Set(owners).size < owners.length) throw new Error(`an owner has two blocks: ${owners.join(', ')}`);
  return blocks.map(({ text }) => text).join('\n');
}

function toConversation(history: StoredMessage[], attached: Attached = new Map()): LlmMessage[] {
  const { summary, rest } = splitHistory(history);
  return [...(summary === undefined ? [] : toSummary(summary)), ...toRuns(rest, attached)];
}

/** In place of all it stands for: what the project and people said then, and the summary. */
function toSummary({ text, about }: { text: string; about: Summary }): LlmMessage[] {
  const { project, words } = about;
  return [
    ...(project === undefined ? [] : [tagged('project', project)]),
    ...words.map((word) => tagged('message', word)),
    tagged('summary', text),
  ].map((block) => ({ role: 'user', text: block }));
}

function toRuns(history: readonly StoredMessage[], attached: Attached): LlmMessage[] {
  // Runs stand in the order of the chain; a conversation only grows at its end, so a run keeps its number.
  const runs = [...Map.groupBy(history, (message) => message.runId).values()];
  return runs.flatMap((messages, index) => {
    const steps = Map.groupBy(messages, (message) => message.step);
    return [...steps.keys()]
      .sort((one, other) => one - other)
      .flatMap((step) => toStep(steps.get(step) ?? [], index + 1, attached));
  });
}

/** One step: what came in, the answer, and the results in the order of its calls. */
function toStep(messages: StoredMessage[], run: number, attached: Attached): LlmMessage[] {
  const ordered = messages.toSorted(
    (one, other) => phases.indexOf(one.phase) - phases.indexOf(other.phase) || one.position - other.position,
  );
  const results = new Map<string, StoredMessage>();
  for (const message of ordered.filter(({ role }) => role === 'tool')) {
    const callId = message.callId ?? '';
    if (results.has(callId)) throw new Error(`call ${callId} of run ${message.runId} has two results`);
    results.set(callId, message);
  }
  const assembled = ordered
    .filter(({ role }) => role !== 'tool')
    .flatMap((message) =>
      message.role === 'user' ? [toUser(message, attached)] : toAnswer(message, results, run),
    );
  const [stray] = results.keys();
  if (stray !== undefined)
    throw new Error(`a result belongs to call "${stray}", which no answer of its step made`);
  return assembled;
}

function toUser({ internal, text, parts, about }: StoredMessage, attached: Attached): LlmMessage {
  const said = tagged(about?.kind ?? (internal ? 'note' : 'message'), text);
  if (parts === undefined) return { role: 'user', text: said };
  const files = filesOf(parts, attached);
  return {
    role: 'user',
    text: `${said}\n\n${blocksOf(parts, attached)}`,
    ...(files.length > 0 && { files }),
  };
}

/** Takes the results it uses out of the map: what is left belongs to no call. */
function toAnswer(message: StoredMessage, results: Map<string, StoredMessage>, run: number): LlmMessage[] {
  const calls = (message.calls ?? []).map((call) => ({ ...call, ...toProviderCall(call, run) }));
  return [
    {
      role: 'assistant',
      text: message.text.toWellFormed(),
      calls: calls.map(({ id, name, input }) => ({ id, name, input })),
      ...(message.kept !== undefined && { kept: message.kept }),
    },
    ...calls.map(({ callId, id, name }): LlmMessage => {
      const result = results.get(callId);
      if (result === undefined) throw new Error(`call ${callId} of run ${message.runId} has no result`);
      results.delete(callId);
      return {
        role: 'tool',
        callId: id,
        name,
        text: tagged('result', result.text),
        failed: result.failed,
      };
    }),
  ];
}

/**
 * Ids of our own, unique in the conversation and the same in each request: providers reuse theirs. Providers
 * refuse a request that repeats an unusual tool name or text that is not Unicode, even when the model wrote it.
 */
function toProviderCall(call: { callId: string; name: string; input: string }, run: number): LlmCall {
  const name = call.name.replace(/[^a-zA-Z0-9_-]/g, '_').slice(0, 64);
  return {
    id: `call_${run}_${call.callId.replaceAll('.', '_')}`,
    name: name === '' ? 'unnamed' : name,
    input: call.input.toWellFormed(),
  };
}
