// What an agent may do: rules and profiles as they are stored, sent and written in YAML, and the answer to "may it do
// this". Shapes only; what a pattern means and whether an example holds is for workflows/policy to say.
import { z } from 'zod';
import { Decision, Effect, OtherText } from './call.ts';
import { id, nameText, page, projectPath, shortText, when } from './fields.ts';
import { RunLimits } from './run.ts';

/** What counts when no rule matches. `plan` also denies all that is not reading, whatever the rules say. */
export const PolicyMode = z.enum(['plan', 'default', 'acceptEdits', 'delegate']).meta({ id: 'PolicyMode' });
export type PolicyMode = z.infer<typeof PolicyMode>;

export const PolicyScopeName = z.enum(['run', 'project', 'global']).meta({ id: 'PolicyScopeName' });
export type PolicyScopeName = z.infer<typeof PolicyScopeName>;

// A path of Linux may have 4,096 bytes, and so may the exact path of a remembered answer.
const glob = shortText(4096);
// Longer commands are not looked through.
const commandPattern = shortText(20_000);
// The longest name DNS allows.
const hostPattern = shortText(253);
// As many as a person keeps in view; more belong in several rules.
const mostEntries = 200;
const examples = z.array(shortText(20_000)).max(mostEntries).optional();

export const PolicyRule = z
  .strictObject({
    tool: shortText(200)
      .optional()
      .describe('Only calls of this tool. Leave it and `effect` out for all calls.'),
    effect: Effect.optional().describe('Only calls with this effect; `tool` or `effect`, not both.'),
    paths: z
      .array(glob)
      .min(1)
      .max(mostEntries)
      .optional()
      .describe(
        'Globs relative to the project; `**` spans any number of directories, hidden files match too.',
      ),
    commands: z
      .array(commandPattern)
      .min(1)
      .max(mostEntries)
      .optional()
      .describe(
        'Argument by argument: words, `*` for one argument that is no option, `**` at the end for any rest.',
      ),
    readingCommands: z
      .literal(true)
      .optional()
      .describe(
        'Only to allow: commands that only read (ls, cat, rg, find, git log and their like), each with no other options ' +
          'than those known to do no more, and with no file outside of the project.',
      ),
    hosts: z
      .array(hostPattern)
      .min(1)
      .max(mostEntries)
      .optional()
      .describe(
        'Exact names, `*.example.org` for every name below it, `*` for all; in a profile that is being saved also `@name` for ' +
          'a list of the setting networks.',
      ),
    decision: Decision,
    reason: shortText(500).optional().describe('A clause for people and the model: why this is decided so.'),
    expiresAt: when.optional().describe('From then on the rule is as if it were not there.'),
    examples: z
      .strictObject({ match: examples, noMatch: examples })
      .optional()
      .describe('Subjects the rule must and must not match; a profile with a wrong one is not accepted.'),
  })
  .meta({ id: 'PolicyRule' });
export type PolicyRule = z.infer<typeof PolicyRule>;

export const PolicyProfile = z
  .strictObject({
    id: shortText(64).regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, 'must be lower-case words joined by hyphens'),
    name: nameText(100),
    description: shortText(1000),
    requires: z
      .literal('containment')
      .optional()
      .describe(
        'Only for a sandbox that contains what a command can reach; a run elsewhere has to say `acceptNoContainment`. ' +
          'Added to every profile that allows commands no rule names: by an allow rule without a list or with the ' +
          'command `**`, by `defaults.execute` or by the mode.',
      ),
    mode: PolicyMode,
    rules: z
      .array(PolicyRule)
      // Each call is held against all of them in the worst case.
      .max(500)
      .describe('In this order: the first rule that matches decides.'),
    limits: RunLimits.required({ steps: true, seconds: true, costMicros: true }),
    stall: z
      .strictObject({
        steps: z.int().min(1).max(10_000).describe('Steps without progress after which the run has stalled.'),
        replans: z
          .int()
          .min(0)
          .max(10)
          .describe('How often a stalled run may plan anew before it is stopped.'),
      })
      .nullable(),
    gates: z.strictObject({ tests: z.boolean(), lint: z.boolean(), rollback: z.boolean() }).optional(),
    defaults: z
      .strictObject({
        read: Decision.optional(),
        write: Decision.optional(),
        execute: Decision.optional(),
        network: Decision.optional(),
      })
      .optional()
      .describe('What counts for an effect when no rule matches, in place of what the mode says.'),
    headlessNetwork: Decision.optional().describe(
      'What counts for the network when no rule matches and nobody is there to ask; `deny` unless said otherwise.',
    ),
  })
  .meta({ id: 'PolicyProfile' });
export type PolicyProfile = z.infer<typeof PolicyProfile>;

const matched = {
  scope: PolicyScopeName,
  profileId: z.string(),
  profileVersion: z.int(),
  ruleIndex: z.int().describe('The place in `rules`, from 0.'),
  ruleText: z.string(),
  decision: Decision,
};

export const PolicyDecision = z
  .object({
    ...matched,
    original: Decision.describe(
      'What was decided before `ask` became `deny` because nobody is there to ask.',
    ),
    scope: PolicyScopeName.nullable().describe('Null when there is no profile to decide.'),
    ruleIndex: z.int().nullable().describe('The place in `rules`, from 0; null when no rule decided.'),
    ruleText: z.string().describe('The rule in short, or what decided in its place.'),
    reason: z.string(),
    part: z.string().describe('The path, command or host that decided, where the call has several.'),
    next: z
      .array(z.object(matched))
      .optional()
      .describe('The rules behind the one that decided which match too, in order. Only when asked for.'),
  })
  .meta({ id: 'PolicyDecision' });
export type PolicyDecision = z.infer<typeof PolicyDecision>;

export const BacktestResult = z
  .object({
    calls: z.int().describe('Stored calls that were decided again.'),
    changed: z.int(),
    skipped: z
      .int()
      .describe('Stored calls that cannot be decided again: no such tool, or no valid arguments.'),
    groups: z
      .array(
        z.object({
          tool: z.string(),
          effect: Effect,
          from: Decision,
          to: Decision,
          ruleIndex: z.int().nullable(),
          ruleText: z.string().describe('What would decide now.'),
          reason: z.string(),
          calls: z.int(),
          examples: z.array(z.object({ runId: z.string(), callId: z.string(), subject: z.string() })),
        }),
      )
      .describe('What would have been decided otherwise, the largest group first.'),
  })
  .meta({ id: 'BacktestResult' });
export type BacktestResult = z.infer<typeof BacktestResult>;

export const BacktestView = BacktestResult.extend({
  since: when,
  truncated: z
    .boolean()
    .describe('There are more calls than are decided again at once: these are the newest runs’.'),
}).meta({ id: 'BacktestView' });
export type BacktestView = z.infer<typeof BacktestView>;

export const PolicyView = PolicyProfile.extend({
  version: z.int(),
  builtIn: z.boolean().describe('Built-in profiles stay as they are; customise a copy.'),
}).meta({ id: 'PolicyView' });
export type PolicyView = z.infer<typeof PolicyView>;

export const PolicyListView = z
  .object({ items: z.array(PolicyView), nextCursor: z.string().nullable() })
  .meta({ id: 'PolicyListView' });
export type PolicyListView = z.infer<typeof PolicyListView>;

// A profile with the most rules allowed is smaller.
const yaml = z.string().min(1).max(400_000).describe('The same as a YAML file.');

export const CreatePolicyBody = z
  .union([z.strictObject({ profile: PolicyProfile }), z.strictObject({ yaml })])
  .meta({ id: 'CreatePolicyBody' });
export type CreatePolicyBody = z.infer<typeof CreatePolicyBody>;

const version = z.int().min(1).describe('The version the change is made to; 409 when there is a newer one.');

export const UpdatePolicyBody = z
  .union([z.strictObject({ version, profile: PolicyProfile }), z.strictObject({ version, yaml })])
  .meta({ id: 'UpdatePolicyBody' });
export type UpdatePolicyBody = z.infer<typeof UpdatePolicyBody>;

export const CustomisePolicyBody = z
  .strictObject({ id: PolicyProfile.shape.id, name: PolicyProfile.shape.name.optional() })
  .meta({ id: 'CustomisePolicyBody' });
export type CustomisePolicyBody = z.infer<typeof CustomisePolicyBody>;

export const PolicyPlaceBody = z
  .strictObject({
    project: projectPath.optional().describe('The directory it applies to; left out, everywhere.'),
    policy: PolicyProfile.shape.id.nullable().describe('Null takes it away.'),
  })
  .meta({ id: 'PolicyPlaceBody' });
export type PolicyPlaceBody = z.infer<typeof PolicyPlaceBody>;

export const PolicyPlaceListView = z
  .object({
    items: z.array(
      z.object({
        project: z.string().nullable().describe('The directory it applies to; null: everywhere.'),
        policy: z.string(),
      }),
    ),
    nextCursor: z.null(),
  })
  .meta({ id: 'PolicyPlaceListView' });
export type PolicyPlaceListView = z.infer<typeof PolicyPlaceListView>;

const choice = {
  policy: PolicyProfile.shape.id.optional().describe('A stored profile; left out, what a new run would get.'),
  draft: PolicyProfile.optional().describe('In place of a stored profile: one that is not saved.'),
};

export const EvaluateBody = z
  .strictObject({
    ...choice,
    project: z.strictObject({ path: projectPath }).optional(),
    attended: z.boolean().optional(),
    mode: PolicyMode.optional(),
    calls: z
      .array(z.strictObject({ tool: shortText(200), input: z.unknown() }))
      .min(1)
      .max(100),
  })
  .meta({ id: 'EvaluateBody' });
export type EvaluateBody = z.infer<typeof EvaluateBody>;

export const EvaluateView = z
  .object({
    items: z.array(
      z.object({
        tool: z.string(),
        subject: z.string(),
        runs: OtherText,
        effect: Effect.nullable(),
        problem: z.string().nullable().describe('Why it is no valid call at all.'),
        decision: PolicyDecision.nullable(),
      }),
    ),
  })
  .meta({ id: 'EvaluateView' });
export type EvaluateView = z.infer<typeof EvaluateView>;

export const BacktestBody = z
  .strictObject({
    ...choice,
    // Calls of a quarter: older ones add nothing.
    days: z
      .int()
      .min(1)
      .max(90)
      .optional()
      .describe('How far back: calls of runs accepted since then; 7 days unless said otherwise.'),
  })
  .meta({ id: 'BacktestBody' });
export type BacktestBody = z.infer<typeof BacktestBody>;

export const RememberedView = z
  .object({
    id,
    scope: PolicyScopeName,
    key: z.string().describe('The run, the project; empty for everywhere.'),
    tool: z.string(),
    inputHash: z.string().describe('Of the arguments that are allowed, and of no others.'),
    allows: z.string().describe('What is allowed, in words.'),
    expiresAt: when,
    by: z.string(),
  })
  .meta({ id: 'RememberedView' });
export type RememberedView = z.infer<typeof RememberedView>;
export const RememberedListView = z
  .object({ items: z.array(RememberedView), nextCursor: z.string().nullable() })
  .meta({ id: 'RememberedListView' });

export const AuditView = z
  .object({
    id: z.string(),
    at: when,
    actor: z.string(),
    action: z.string(),
    runId: id.nullable(),
    callId: z.string().nullable(),
    rule: z.string(),
    reason: z.string(),
    detail: z.unknown(),
  })
  .meta({ id: 'AuditView' });
export const AuditListView = z
  .object({ items: z.array(AuditView), nextCursor: z.string().nullable() })
  .meta({ id: 'AuditListView' });
export const AuditQuery = page.extend({ runId: id.optional() });
