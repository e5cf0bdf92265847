// What a model was sent: its parts as they were counted when it was asked, and the messages as they are stored.
import { readContext } from '../../activities/store/runs/messages.ts';
import { findPrompt, type SentPrompt } from '../../activities/store/runs/prompts.ts';
import { findRun } from '../../activities/store/runs/runs.ts';
import {
  ContextQuery,
  ContextView,
  shownCharacters,
  shownMessages,
} from '../../workflows/contracts/context.ts';
import { found } from '../../workflows/contracts/failures.ts';
import {
  type About,
  type StoredMessage,
  type StoredPart,
  withinRequest,
} from '../../workflows/contracts/message.ts';
import type { Routes } from '../parts.ts';
import { runId as exampleRunId } from './examples.ts';
import { problems } from './problems.ts';
import { runParams } from './runs.ts';

const example: ContextView = {
  ...{ runId: exampleRunId, step: 12, model: 'anthropic/claude-sonnet-4-5', window: 200_000, tokens: 9_420 },
  parts: [
    { part: 'system', tokens: 1_410 },
    { part: 'tools', tokens: 4_880 },
    { part: 'summary', tokens: 890 },
    { part: 'history', tokens: 2_210 },
    { part: 'block', name: 'limits', tokens: 10, text: 'Step 12 of at most 100' },
    { part: 'block', name: 'clock', tokens: 20, text: 'Date: 2026-03-01' },
  ],
  use: { inputTokens: 8_240, cachedInputTokens: 7_900, outputTokens: 210, estimated: false },
  messages: [
    {
      ...{ runId: exampleRunId, step: 12, kind: 'summary', calls: [], callId: null },
      ...{ text: 'Asked for a fix of the cart. The failing test is found …', length: 2_412 },
    },
  ],
  messageCount: 1,
  leftOut: [
    { what: '104 messages', why: 'A summary stands for them: about 161200 of 200000 tokens were full.' },
  ],
};

export const contextRoutes: Routes = (api, { db }) => {
  api.get(
    '/runs/:id/context',
    {
      config: { example: { answer: example } },
      schema: {
        tags: ['runs'],
        operationId: 'getContext',
        summary: 'What the model was sent at a step',
        description:
          'Tokens by part, what came out of the provider’s cache, the messages, and what was left out and why. Sizes are as they were counted when the model was asked. 404 for a step that has not asked its model.',
        params: runParams,
        querystring: ContextQuery,
        response: { 200: ContextView, ...problems },
      },
    },
    async ({ params: { id: runId }, query, caller: { tenantId } }) => {
      const run = found(await findRun(db, tenantId, runId), `run ${runId}`);
      const asked = found(
        await findPrompt(db, run, query.step),
        query.step === undefined ? `model call of run ${runId}` : `model call of step ${query.step}`,
      );
      return toView(runId, asked, await readContext(db, tenantId, runId, asked.step));
    },
  );
};

function toView(
  runId: string,
  { step, model, prompt, use }: SentPrompt,
  history: StoredMessage[],
): ContextView {
  return {
    ...{ runId, step, model, use },
    window: prompt?.window ?? null,
    tokens: prompt?.tokens ?? null,
    parts: prompt?.parts ?? [],
    messages: history.slice(-shownMessages).map(toMessage),
    messageCount: history.length,
    leftOut: [
      ...history.flatMap(({ about }) => (about === undefined ? [] : leftOutBy(about))),
      ...withinRequest(history).flatMap(({ parts = [] }) => attachmentsLeftOut(parts)),
    ],
  };
}

function toMessage(message: StoredMessage): ContextView['messages'][number] {
  const { text, calls = [], callId = null } = message;
  return {
    runId: message.runId,
    step: message.step,
    kind: kindOf(message),
    text: text.slice(0, shownCharacters).toWellFormed(),
    length: text.length,
    calls: calls.map((call) => ({ callId: call.callId, tool: call.name })),
    callId,
  };
}

function kindOf({ role, internal, about }: StoredMessage): ContextView['messages'][number]['kind'] {
  if (role === 'assistant') return 'answer';
  if (role === 'tool') return 'result';
  return about?.kind ?? (internal ? 'note' : 'message');
}

function leftOutBy(about: About): ContextView['leftOut'] {
  if (about.kind === 'project') return about.leftOut.map(({ path, why }) => ({ what: path, why }));
  const { messages, before, window, refused, leftOut } = about;
  const full = refused
    ? `the server had found a prompt of about ${before} tokens too long`
    : `about ${before} of ${window} tokens were full`;
  const words = `${plural(leftOut)} of people in their own words`;
  return [
    { what: plural(messages), why: `A summary stands for them: ${full}.` },
    ...(leftOut === 0 ? [] : [{ what: words, why: 'A tenth of the window is kept for these.' }]),
  ];
}

function attachmentsLeftOut(parts: readonly StoredPart[]): ContextView['leftOut'] {
  const why = 'Newer attachments fill what a request may carry.';
  return parts.flatMap(({ leftOut, name, from = name, size = 0 }) =>
    leftOut ? [{ what: `${from} (${size} bytes)`, why }] : [],
  );
}

function plural(count: number): string {
  return count === 1 ? '1 message' : `${count} messages`;
}
