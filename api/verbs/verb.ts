// What every verb has in common. A verb is a thing a caller can make happen, over any face: a function of what it is
// built from, a transaction, the caller and the input. It knows no HTTP.
import type { EditedCall } from '../../activities/store/approvals/approvals.ts';
import type { CallRow } from '../../activities/store/calls/calls.ts';
import { type Queries, violatedConstraint } from '../../activities/store/db/database.ts';
import { OwnerChanged } from '../../activities/store/lifecycle/accept-run.ts';
import type { RewindRow } from '../../activities/store/runs/rewinds.ts';
import type { StartNeeds, Starter } from '../../activities/store/lifecycle/start-run.ts';
import type { OccurrenceRow } from '../../activities/store/schedules/occurrences.ts';
import type { DispatcherRow } from '../../activities/store/tasks/dispatchers.ts';
import type { WebhookRow } from '../../activities/store/webhooks/webhooks.ts';
import type { EventLog, Write } from '../../activities/store/log/events.ts';
import type { RetentionSettings } from '../../activities/store/retention/retention-table.ts';
import type { Preset } from '../../workflows/contracts/preset.ts';
import type { WebhookAnswerView } from '../../workflows/contracts/webhook.ts';
import type { RunRow } from '../../activities/store/runs/runs.ts';
import type { Notices } from '../upkeep/executions.ts';
import type { Runs } from '../upkeep/run-kind.ts';
import type { NamedHosts } from './named-hosts.ts';
import type { Timers } from '../upkeep/timers.ts';

export interface Caller {
  tenantId: string;
  /** The token's name, or a gateway's name for the person. */
  name: string;
  /** Where it came from, such as `cli`. A label for people: nothing is allowed or refused by it. */
  surface: string;
  requestId: string;
}

/** A caller as the store takes it: `by` is what events and records show. */
export function actorOf({ tenantId, name, surface, requestId }: Caller): Starter {
  return { tenantId, by: `${name} (${surface})`, requestId };
}

/** What verbs are built from. */
export interface VerbParts extends StartNeeds {
  log: EventLog;
  runs: Runs;
  rewinds: Notices<RewindRow>;
  /** The names of keys that a model can be called with. */
  modelKeys: readonly string[];
  /** The lists of hosts that a policy may name. */
  networks: NamedHosts;
  /** Why a preset with these settings cannot be used here, in one sentence. */
  presetProblem(preset: Preset): string | undefined;
  occurrences: Notices<OccurrenceRow>;
  dispatchers: Notices<DispatcherRow>;
  webhooks: Notices<WebhookRow>;
  webhookSender: {
    /** Posts one message, signed. Never throws for what the endpoint does. */
    send(
      endpoint: { url: string; secrets: readonly string[] },
      message: { id: string; body: string },
    ): Promise<Omit<WebhookAnswerView, 'messageId'>>;
    /** Why nothing can be sent to such an address. */
    problemOf(url: string): string | undefined;
  };
  /** From now on it is hidden in events, logs and answers. */
  learnSecret(value: string): void;
  timers: Pick<Timers, 'tell'>;
  /** The manifest of schedules: the one sent, or the file this server is set to. Refused when there are both, or none. */
  readManifest(sent: string | undefined): Promise<string>;
  retention: RetentionSettings;
  /**
   * Other arguments for a call that is asked about. Throws a Failure when they do not fit or policy denies them. Reads
   * with the caller's queries: a second connection, asked for inside a transaction, may never come.
   */
  reviewEdit(queries: Queries, run: RunRow, call: CallRow, input: unknown): Promise<EditedCall>;
  /** What a call that waits for an answer would change, as a unified diff; null where that cannot be told. */
  plannedChange(queries: Queries, run: RunRow, call: CallRow): Promise<string | null>;
  /** Keeps what is too long for a row of its own; returns the key it is read by. */
  keepContent(queries: Queries, tenantId: string, mediaType: string, bytes: Buffer): Promise<string>;
}

export interface Outcome<Body = unknown> {
  /** For the caller; undefined when there is nothing to say. */
  body: Body;
  /** Takes the place of these fields in the answer, and is neither stored nor given again: a secret. */
  onlyNow?: Partial<Body>;
  /** Called once the effect has been committed, before the answer; never for an answer given again. */
  after?: () => void | Promise<void>;
}

export type Verb<Input, Body = unknown> = (
  parts: VerbParts,
  write: Write,
  caller: Caller,
  input: Input,
) => Promise<Outcome<Body>>;

// Two requests with one message id may both find it new; the second one finds the row when it looks again.
const racing = new Set(['runs_opening', 'runs_conversation_id_message_id_key']);

/** One transaction. `act` may run twice: only its last transaction commits. */
export async function commit<Done>(
  log: EventLog,
  name: string,
  act: (write: Write) => Promise<Done>,
): Promise<Done> {
  return log.write(name, act).catch((error: unknown) => {
    if (!(error instanceof OwnerChanged) && !racing.has(violatedConstraint(error) ?? '')) throw error;
    return log.write(name, act);
  });
}

/** One transaction and what follows its commit. */
export async function perform<Done extends { after?: Outcome['after'] }>(
  log: EventLog,
  name: string,
  act: (write: Write) => Promise<Done>,
): Promise<Done> {
  const done = await commit(log, name, act);
  await done.after?.();
  return done;
}
