// Delegation: a run has a part of its work done by a run of its own, its subagent.
import { z } from 'zod';
import { id } from './fields.ts';

// Deeper than this, agents hand work on instead of doing it.
export const mostDepth = 3;
// As many as a machine of some cores serves side by side; Temporal would bear some thousands.
export const mostAtOnce = 16;
// Of one main run, at all depths below it: enough for a part each of a large piece of work.
export const mostInAll = 64;

/** What a run calls a subagent by. */
export const subagentName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,39}$/, 'must be up to 40 small letters, digits and hyphens');

/** `inline`: the call waits for its subagent. `async`: it does not. `wait`: it waits for those of earlier calls. */
export type Delegates = 'inline' | 'async' | 'wait';

/**
 * What has become of its report. `posted`: its main run has ended, and it waits in the mailbox. `delivered`: a run was
 * told. `late`: the run that asked for it had ended, and no other is told.
 */
export const ReportState = z
  .enum(['working', 'reported', 'posted', 'delivered', 'late'])
  .meta({ id: 'ReportState' });

/**
 * What a conversation does about subagents that no call waits for. `manual`: a main run ends without them, and their
 * reports wait for a continuation. `auto`: the conversation goes on by itself once they have reported.
 */
export const WakeUp = z.enum(['manual', 'auto']).meta({ id: 'WakeUp' });
export type WakeUp = z.infer<typeof WakeUp>;

export const wakeUpField = WakeUp.optional().describe(
  'From now on, main runs of this conversation end while subagents that no call waits for are at work, and their ' +
    'reports wait in the mailbox: manual, for POST /conversations/{id}/fire; auto, until the last of them has come. Unsaid ' +
    'in a new conversation, a run stays until they have reported. It holds for the conversation until it is changed.',
);

// As long as a run may take by most policies.
export const usualWakeUpSeconds = 3600;
// In a row, with no word of a person between: agents that only wake each other stop.
export const mostWakeUps = 10;

/** `aside`: a side question; `title`: it makes a title. Both are beside the chain of the conversation. */
export const RunKind = z.enum(['main', 'subagent', 'aside', 'title']).meta({ id: 'RunKind' });
export type RunKind = z.infer<typeof RunKind>;

/** What a subagent's run is to the run that asked for it. */
export const DelegationView = z
  .object({
    runId: id.describe('The run that asked for it.'),
    callId: z.string(),
    rootId: id.describe('The main run at the top.'),
    name: z.string(),
    depth: z.int().describe('1: the main run asked for it.'),
    async: z.boolean().describe('The call did not wait for it.'),
    state: ReportState,
  })
  .meta({ id: 'Delegation' });
export type DelegationView = z.infer<typeof DelegationView>;
