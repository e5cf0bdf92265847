// The typed client of the HTTP API, used by the CLI, the tests and the Web UI. It runs in browsers: no import of
// node, and of the contracts only types.
import type { ChildListView } from '../../workflows/contracts/children.ts';
import type { CallListView, CallView, SettleBody } from '../../workflows/contracts/call.ts';
import type { ContextView } from '../../workflows/contracts/context.ts';
import type { EventListView, EventType } from '../../workflows/contracts/event.ts';
import type { FindQuery, FoundListView } from '../../workflows/contracts/find.ts';
import type { ReceiptView } from '../../workflows/contracts/receipt.ts';
import type {
  RunListView,
  RunStatus,
  RunView,
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
import { checkpointCalls } from './checkpoints.ts';
import { conversationCalls } from './conversations.ts';
import { deadLetterCalls } from './dead-letters.ts';
import { eventCalls } from './events.ts';
import { type FollowOptions, follow } from './follow.ts';
import { memoryCalls } from './memory.ts';
import { messageCalls } from './messages.ts';
import { policyCalls } from './policies.ts';
import { presetCalls } from './presets.ts';
import { workspaceCalls } from './workspaces.ts';
import { retentionCalls } from './retention.ts';
import { scheduleCalls } from './schedules.ts';
import { systemCalls } from './system.ts';
import { taskCalls } from './tasks.ts';
import { tokenCalls } from './tokens.ts';
import { webhookCalls } from './webhooks.ts';
import type { Watch } from './watch.ts';
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
  subagents?: boolean;
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
  const { url, giveUpAfterMs = defaultGiveUpAfterMs } = settings;

  const ofRun = (runId: string): string => `/runs/${encodeURIComponent(runId)}`;

  const watch: Watch = (path, rules, options) => {
    const include = {
      ...(options?.tokens === false && { include: 'no-tokens' }),
      ...(options?.types && { type: options.types.join(',') }),
    };
    const connect = (after: number, signal: AbortSignal): Promise<Response> =>
      open(`${path}/stream`, { after, ...include }, { accept: 'text/event-stream' }, signal);
    const kept = (after: number, signal?: AbortSignal): Promise<EventListView> =>
      json('GET', `${path}/events`, keptAfter(after, signal));
    return follow({ ...rules, url, giveUpAfterMs, open: connect, kept }, options);
  };

  return {
    url,
    health: () => json<HealthView>('GET', '/health'),
    // 503 is its way to say "degraded"; the body tells which dependency.
    ready: () => json<ReadyView>('GET', '/health/ready', { accept: [503] }),
    ...choiceCalls(transport),
    ...policyCalls(transport),
    ...presetCalls(transport),
    ...workspaceCalls(transport),
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
    /** What its model was sent at a step. */
    context: (runId: string, step?: number) =>
      json<ContextView>('GET', `${ofRun(runId)}/context`, { query: { step } }),
    /** Its subagents at all depths. */
    children: (runId: string) => json<ChildListView>('GET', `${ofRun(runId)}/children`),
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
    ...memoryCalls(transport),
    calls: (runId: string, query?: PageQuery) =>
      json<CallListView>('GET', `${ofRun(runId)}/calls`, { query: { ...query } }),
    steer: (runId: string, body: SteerBody) => json<ReceiptView>('POST', `${ofRun(runId)}/steer`, { body }),
    interrupt: (runId: string) => json<ReceiptView>('POST', `${ofRun(runId)}/interrupt`, { body: {} }),
    settle: (runId: string, callId: string, body: SettleBody) =>
      json<CallView>('POST', `${ofRun(runId)}/calls/${encodeURIComponent(callId)}/settle`, { body }),

    ...approvalCalls(transport),
    ...allowanceCalls(transport),
    ...tendingCalls(transport),
    ...checkpointCalls(transport),

    ...conversationCalls(transport, watch),
    ...taskCalls(transport, watch),
    ...eventCalls(transport, watch),
  };
}

/** What the server itself is tended by. */
function tendingCalls(transport: Transport) {
  return {
    ...tokenCalls(transport),
    ...systemCalls(transport),
    ...retentionCalls(transport),
    ...deadLetterCalls(transport),
    ...scheduleCalls(transport),
    ...webhookCalls(transport),
  };
}

/** What a run can be given. */
function choiceCalls({ json }: Transport) {
  return {
    models: () => json<ModelListView>('GET', '/models'),
    sandboxes: () => json<SandboxListView>('GET', '/sandboxes'),
  };
}
