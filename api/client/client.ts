// The typed client of the HTTP API, used by the CLI, the tests and the Web UI. It runs in browsers: no import of
// node, and of the contracts only types.
import type { CallListView, CallView, SettleBody } from '../../workflows/contracts/call.ts';
import type { ConversationDetailView, ConversationListView } from '../../workflows/contracts/conversation.ts';
import type { Event, EventListView, EventType } from '../../workflows/contracts/event.ts';
import type { FindQuery, FoundListView } from '../../workflows/contracts/find.ts';
import type {
  DiffView,
  ReceiptView,
  RunListView,
  RunStatus,
  RunView,
  SendMessageBody,
  StartRunBody,
  StartRunView,
  SteerBody,
} from '../../workflows/contracts/run.ts';
import type {
  HealthView,
  ModelListView,
  ReadyView,
  SandboxListView,
} from '../../workflows/contracts/system.ts';
import { allowanceCalls } from './allowances.ts';
import { approvalCalls } from './approvals.ts';
import { deadLetterCalls } from './dead-letters.ts';
import { type FollowOptions, follow } from './follow.ts';
import { messageCalls } from './messages.ts';
import { policyCalls } from './policies.ts';
import { retentionCalls } from './retention.ts';
import { systemCalls } from './system.ts';
import { tokenCalls } from './tokens.ts';
import { type Call, createTransport, type Transport, type TransportSettings } from './transport.ts';

export { BrokenStream, ProblemError, Unreachable } from './problem.ts';
export type { FollowOptions } from './follow.ts';

export interface ClientSettings extends TransportSettings {
  /** How long a watch goes on without any answer before it ends as unreachable; a minute unless said otherwise. */
  giveUpAfterMs?: number;
}

// Time for a person to start the server again; a restart by the supervisor takes about a second.
const defaultGiveUpAfterMs = 60_000;

type PageQuery = { limit?: number; cursor?: string };
type EventQuery = { after?: number | string; limit?: number; type?: EventType; kept?: boolean };
type RunQuery = PageQuery & {
  status?: RunStatus;
  conversationId?: string;
  active?: boolean;
  project?: string;
};

/** What is kept of folded events, as many as one page holds. */
function keptAfter(after: number, signal: AbortSignal | undefined): Call {
  return { query: { after, kept: true, limit: 1000 }, ...(signal && { signal }) };
}

export type Client = ReturnType<typeof createClient>;

/**
 * Every method may be called again: a POST carries an idempotency key and is tried again with it while no server
 * answers. Throws ProblemError (the server said no) or Unreachable.
 */
export function createClient(settings: ClientSettings) {
  const transport = createTransport(settings);
  const { json, text, open } = transport;
  const url = settings.url;
  const giveUpAfterMs = settings.giveUpAfterMs ?? defaultGiveUpAfterMs;

  const ofRun = (runId: string): string => `/runs/${encodeURIComponent(runId)}`;
  const ofConversation = (id: string): string => `/conversations/${encodeURIComponent(id)}`;

  type Rules = Pick<Parameters<typeof follow>[0], 'numberOf' | 'isLast'>;
  function watch(path: string, rules: Rules, options?: FollowOptions): AsyncGenerator<Event, void> {
    const connect = (after: number, signal: AbortSignal): Promise<Response> =>
      open(`${path}/stream`, { after }, { accept: 'text/event-stream' }, signal);
    const kept = (after: number, signal?: AbortSignal): Promise<EventListView> =>
      json('GET', `${path}/events`, keptAfter(after, signal));
    return follow({ ...rules, url, giveUpAfterMs, open: connect, kept }, options);
  }

  return {
    url,
    health: () => json<HealthView>('GET', '/health'),
    // 503 is its way to say "degraded"; the body tells which dependency.
    ready: () => json<ReadyView>('GET', '/health/ready', { accept: [503] }),
    ...choiceCalls(transport),
    ...policyCalls(transport),
    /** What some letters of an id mean. */
    find: (query: FindQuery) => json<FoundListView>('GET', '/find', { query: { ...query } }),

    startRun: (body: StartRunBody, signal?: AbortSignal) =>
      json<StartRunView>('POST', '/runs', { body, ...(signal && { signal }) }),
    /** Starts a run and waits for its end, up to 25 seconds; a run that has not ended by then is told as accepted. */
    startRunAndWait: (body: StartRunBody, seconds: number, signal?: AbortSignal) =>
      json<StartRunView | RunView>('POST', '/runs', {
        body,
        query: { wait: seconds },
        ...(signal && { signal }),
      }),
    /** The run once it has ended, or as it is after so many seconds, up to 25; `endedAt` tells which. */
    waitForRun: (runId: string, seconds?: number, signal?: AbortSignal) =>
      json<RunView>('GET', `${ofRun(runId)}/wait`, { query: { seconds }, ...(signal && { signal }) }),
    runs: (query?: RunQuery) => json<RunListView>('GET', '/runs', { query: { ...query } }),
    run: (runId: string) => json<RunView>('GET', ofRun(runId)),
    runEvents: (runId: string, query?: EventQuery) =>
      json<EventListView>('GET', `${ofRun(runId)}/events`, { query: { ...query } }),
    /** One event a line, as JSON. */
    exportRunEvents: (runId: string, query?: EventQuery) =>
      text(`${ofRun(runId)}/events`, { query: { ...query, format: 'jsonl' } }),
    /** The run's events as they happen, from the first one or after `after`, until its last one. */
    watchRun: (runId: string, options?: FollowOptions) =>
      watch(
        ofRun(runId),
        {
          numberOf: (event) => event.seq,
          isLast: (event) => event.type === 'run-end',
        },
        options,
      ),
    ...messageCalls(transport),
    calls: (runId: string, query?: PageQuery) =>
      json<CallListView>('GET', `${ofRun(runId)}/calls`, { query: { ...query } }),
    diff: (runId: string) => json<DiffView>('GET', `${ofRun(runId)}/diff`),
    steer: (runId: string, body: SteerBody) => json<ReceiptView>('POST', `${ofRun(runId)}/steer`, { body }),
    interrupt: (runId: string) => json<ReceiptView>('POST', `${ofRun(runId)}/interrupt`, { body: {} }),
    cancel: (runId: string) => json<ReceiptView>('POST', `${ofRun(runId)}/cancel`, { body: {} }),
    settle: (runId: string, callId: string, body: SettleBody) =>
      json<CallView>('POST', `${ofRun(runId)}/calls/${encodeURIComponent(callId)}/settle`, { body }),

    ...approvalCalls(transport),
    ...allowanceCalls(transport),
    ...tokenCalls(transport),
    ...systemCalls(transport),
    ...retentionCalls(transport),
    ...deadLetterCalls(transport),

    conversations: (query?: PageQuery) =>
      json<ConversationListView>('GET', '/conversations', { query: { ...query } }),
    conversation: (id: string) => json<ConversationDetailView>('GET', ofConversation(id)),
    sendMessage: (id: string, body: SendMessageBody) =>
      json<StartRunView>('POST', `${ofConversation(id)}/messages`, { body }),
    conversationEvents: (id: string, query?: EventQuery) =>
      json<EventListView>('GET', `${ofConversation(id)}/events`, { query: { ...query } }),
    /** Every run of the conversation as it happens; `after` counts in the conversation. It never ends by itself. */
    watchConversation: (id: string, options?: FollowOptions) =>
      watch(
        ofConversation(id),
        {
          numberOf: (event) => event.conversationSeq,
          isLast: () => false,
        },
        options,
      ),
  };
}

/** What a run can be given. */
function choiceCalls({ json }: Transport) {
  return {
    models: () => json<ModelListView>('GET', '/models'),
    sandboxes: () => json<SandboxListView>('GET', '/sandboxes'),
  };
}
