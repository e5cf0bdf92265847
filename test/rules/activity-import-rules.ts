// Which folder of activities/ may import which, and in which order the rooms of the store stand.
import { rule, temporal } from './import-rule.ts';

/** What makes a model call or a tool call out of what the other folders can do. */
const combining = '^activities/(step|call)/';

export const activityRules = [
  rule(
    'activities-stay-below',
    'activities/ receives values: pass what you need as an argument from worker/.',
    { path: '^activities/' },
    { path: '^(api|worker|test)/' },
  ),
  rule(
    'activities-take-contracts-and-pure-code',
    'activities/ imports workflows/contracts, workflows/policy, workflows/schedule, workflows/tasks and the transition table, never a workflow.',
    { path: '^activities/' },
    {
      path: '^workflows/',
      pathNot: '^workflows/(contracts/|policy/|schedule/|tasks/|run/transitions\\.ts$)',
    },
  ),
  rule(
    'activity-folders-without-temporal',
    'Below activities/ a folder has never heard of Temporal. Put what needs it into a file of activities/ itself.',
    { path: '^activities/[^/]+/' },
    { path: temporal },
  ),
  rule(
    'activity-folders-import-ports',
    'From a sibling folder import only its port file (llm/llm.ts, tools/tool.ts, sandbox/sandbox.ts, egress/egress.ts, host/process-table.ts); take the rest as an argument.',
    { path: '^activities/([^/]+)/', pathNot: combining },
    {
      path: '^activities/[^/]+/',
      pathNot: [
        '^activities/$1/',
        '^activities/(llm/llm|tools/tool|sandbox/sandbox|egress/egress|host/process-table|release/target)\\.ts$',
      ],
    },
  ),
  rule(
    'sandboxes-hide-what-they-run-in',
    'Process groups, containers and the like are private to activities/sandbox/<kind>/: go through the port with a handle.',
    { path: '^(workflows|activities|api|worker)/', pathNot: '^activities/sandbox/' },
    { path: '^activities/sandbox/[^/]+/' },
  ),
  rule(
    'sandboxes-know-no-other',
    'A kind of sandbox knows the port and the rooms that kinds share, tree/ and group/: have activities/sandbox/index.ts hand it the driver it is built on.',
    { path: '^activities/sandbox/([^/]+)/' },
    {
      path: '^activities/sandbox/',
      pathNot: ['^activities/sandbox/($1|tree|group)/', '^activities/sandbox/sandbox\\.ts$'],
    },
  ),
  rule(
    'activity-folders-stay-plain',
    'A folder of activities/ imports no Temporal-facing file above it; take what you need as an argument.',
    { path: '^activities/[^/]+/', pathNot: combining },
    { path: '^activities/[^/]+\\.ts$' },
  ),
  rule(
    'steps-and-calls-import-deps-only',
    'Of the first level of activities/, step/ and call/ know deps.ts. Put what both sides need there.',
    { path: combining },
    { path: '^activities/[^/]+\\.ts$', pathNot: '^activities/deps\\.ts$' },
  ),
  rule(
    'steps-and-calls-use-the-sandbox-port',
    'step/ and call/ know of sandboxes what sandbox/sandbox.ts says; the rest is passed in from worker/.',
    { path: combining },
    { path: '^activities/sandbox/', pathNot: '^activities/sandbox/sandbox\\.ts$' },
  ),
  rule(
    'calls-know-no-step',
    'A step has calls, and a call knows nothing of its step. Move what both need into call/ or below.',
    { path: '^activities/call/' },
    { path: '^activities/step/' },
  ),
];

/** The rooms of the store in their order: each imports only those before it. */
export const storeRooms = [
  'db',
  'log',
  'access',
  'policies',
  'presets',
  'runs',
  'allowances',
  'calls',
  'approvals',
  'lifecycle',
  'retention',
  'schedules',
  'tasks',
  'webhooks',
] as const;

export const storeRules = [
  ...storeRooms
    .slice(0, -1)
    .map((room, at) =>
      rule(
        `store-${room}-imports-rooms-before`,
        `The rooms of the store stand in this order: ${storeRooms.join(', ')}. Move what both need into the earlier room, or what uses both into the later one.`,
        { path: `^activities/store/${room}/` },
        { path: `^activities/store/(${storeRooms.slice(at + 1).join('|')})/` },
      ),
    ),
  rule(
    'sql-in-the-store-only',
    'Only the store writes SQL. Add a function to the room the rows belong to and call that.',
    {
      path: '^(workflows|activities|api)/',
      pathNot: '^activities/store/',
    },
    { path: '(^|/)node_modules/(kysely|pg)/', dependencyTypesNot: ['type-only'] },
  ),
];
