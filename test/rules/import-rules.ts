// Which folder may import which. A person who breaks a rule reads its comment: it says what to do instead.
import { activityRules, storeRules } from './activity-import-rules.ts';
import { builtIn, type ImportRule, outsidePackages, rule, temporal } from './import-rule.ts';

const workflowRules = [
  rule(
    'workflows-import-nothing-outside',
    'workflows/ is bundled into the sandbox. Move what you need into workflows/contracts, or do the work in an activity.',
    { path: '^workflows/' },
    { path: '^(activities|api|worker|test)/' },
  ),
  rule(
    'workflows-without-node',
    'Workflow code has no Node. Do it in an activity and return the result.',
    { path: '^workflows/' },
    builtIn,
  ),
  rule(
    'workflows-take-two-packages',
    'workflows/ may import @temporalio/workflow, @temporalio/common and, in contracts/, zod. Do the rest in an activity.',
    { path: '^workflows/', pathNot: '^workflows/(policy|schedule)/' },
    { path: outsidePackages, pathNot: '(^|/)node_modules/(@temporalio/(workflow|common)|zod)/' },
  ),
  rule(
    'policy-takes-two-packages',
    'workflows/policy reads commands with unbash and globs with minimatch. Take what else you need as an argument.',
    { path: '^workflows/policy/' },
    { path: outsidePackages, pathNot: '(^|/)node_modules/(unbash|minimatch|@temporalio|zod)/' },
  ),
  rule(
    'schedule-takes-two-packages',
    'workflows/schedule reads cron with croner and says it in words with cronstrue. Take what else you need as an argument.',
    { path: '^workflows/schedule/' },
    { path: outsidePackages, pathNot: '(^|/)node_modules/(croner|cronstrue)/' },
  ),
  rule(
    'zod-in-contracts-only',
    'Workflow code never parses: keep the schema in workflows/contracts and import its type.',
    { path: '^workflows/', pathNot: '^workflows/contracts/' },
    { path: '(^|/)node_modules/zod/' },
  ),
  rule(
    'messages-and-failures-without-zod',
    'The sandbox loads messages.ts, failures.ts and activity-table.ts, the CLI hidden-characters.ts; a schema there would put zod into the bundle. Use plain types.',
    { path: '^workflows/contracts/(messages|failures|activity-table|hidden-characters)\\.ts$' },
    {
      path: ['(^|/)node_modules/zod/', '^workflows/contracts/(?!messages\\.ts$)'],
      dependencyTypesNot: ['type-only'],
    },
  ),
  rule(
    'workflows-take-types-from-contracts',
    'Write "import type": only messages.ts, failures.ts and activity-table.ts may be loaded by workflow code, all else drags zod in.',
    { path: '^workflows/', pathNot: '^workflows/contracts/' },
    {
      path: '^workflows/contracts/',
      pathNot: '^workflows/contracts/(messages|failures|activity-table)\\.ts$',
      dependencyTypesNot: ['type-only'],
    },
  ),
  rule(
    'workflows-do-not-import-schedule',
    'What is due, begins and is handed out is decided in the activity that writes it; a change of it must not break a replay.',
    { path: '^workflows/', pathNot: '^workflows/(schedule|tasks)/' },
    { path: '^workflows/(schedule|tasks)/', dependencyTypesNot: ['type-only'] },
  ),
  rule(
    'workflows-do-not-import-policy',
    'Policy is asked in the activity that stores the model’s message; the decision comes back in its result.',
    { path: '^workflows/', pathNot: '^workflows/policy/' },
    { path: '^workflows/policy/', dependencyTypesNot: ['type-only'] },
  ),
  rule(
    'pure-folders-without-temporal',
    'workflows/policy, plan and run are plain code: take the Temporal piece as an argument.',
    { path: '^workflows/(policy|plan|run|schedule|tasks)/' },
    { path: temporal },
  ),
  rule(
    'pure-folders-import-contracts',
    'workflows/policy, plan and run import contracts and themselves; run and plan may import each other.',
    { path: '^workflows/(policy|plan|run)/' },
    { path: '^workflows/', pathNot: ['^workflows/(contracts|$1)/', '^workflows/(plan|run)/'] },
  ),
];

// What verbs import of api/: each other, and files that know no HTTP either.
const verbsImport = '^api/((verbs|upkeep)/|(policy-file|preset-file|schedule-manifest|present)\\.ts$)';

const faceRules = [
  rule(
    'api-imports-the-store-and-contracts',
    'api/ imports workflows/contracts, workflows/policy, workflows/schedule, workflows/run/transitions, activities/store and activities/host; the rest is passed to buildApp.',
    { path: '^api/' },
    {
      path: '^(workflows|activities|worker|test)/',
      pathNot:
        '^(workflows/(contracts|policy|schedule)/|workflows/run/transitions\\.ts$|activities/(store|host)/)',
    },
  ),
  rule(
    'faces-talk-through-the-client',
    'The CLI and the page talk to the server through api/client/ and know only types of workflows/contracts; which processes run is asked of activities/host.',
    { path: '^api/(cli|ui)/' },
    {
      path: '^(api|activities|workflows)/',
      pathNot: ['^api/$1/', '^api/client/client\\.ts$', '^workflows/contracts/', '^activities/host/'],
    },
  ),
  rule(
    'faces-take-types-from-contracts',
    'Write "import type": the CLI and the page load no schemas.',
    { path: '^api/(cli|ui|client)/' },
    {
      path: '^workflows/contracts/',
      pathNot: '^workflows/contracts/(hidden-characters|media-types)\\.ts$',
      dependencyTypesNot: ['type-only'],
    },
  ),
  rule(
    'client-runs-in-a-browser',
    'Browsers load api/client/: import nothing else of the server but types of workflows/contracts.',
    { path: '^api/client/' },
    { path: '^(api|activities|workflows)/', pathNot: ['^api/client/', '^workflows/contracts/'] },
  ),
  rule(
    'client-without-node',
    'Browsers load api/client/: use what the web platform offers.',
    { path: '^api/client/' },
    builtIn,
  ),
  rule(
    'verbs-without-http',
    'A verb knows no HTTP: take the caller and the input as values; schemas, statuses and addresses are the route’s.',
    { path: '^api/verbs/' },
    { path: ['(^|/)node_modules/@?fastify', '^api/', '^(node:)?http$'], pathNot: verbsImport },
  ),
  rule(
    'gateways-through-verbs',
    'A gateway makes things happen by a verb of api/verbs and follows them through api/stream; the store is behind both.',
    { path: '^api/gateways/' },
    {
      path: '^(api|activities|workflows)/',
      pathNot: '^(api/(gateways|verbs|stream)/|workflows/contracts/)',
    },
  ),
  rule(
    'routes-write-through-verbs',
    'A route reads. Write what it changes as a verb of api/verbs, and hand that to mutate.',
    { path: '^api/routes/' },
    {
      path: [
        '^activities/store/(db|log|lifecycle)/',
        '^activities/store/access/(idempotency|tokens)\\.ts$',
        '^activities/store/allowances/change-',
        '^activities/store/approvals/(?!approval-lists\\.ts$)',
        '^activities/store/calls/settle-call\\.ts$',
        '^activities/store/runs/inputs\\.ts$',
      ],
    },
  ),
  rule(
    'temporal-client-in-three-places',
    'Only api/upkeep/executions.ts, api/upkeep/timers.ts and worker/ talk to Temporal. Add a function to one of those and call that.',
    { path: '^(workflows|activities|api)/', pathNot: '^api/upkeep/(executions|timers)\\.ts$' },
    { path: '(^|/)node_modules/@temporalio/client/' },
  ),
];

const wholeTreeRules = [
  rule(
    'nobody-imports-worker',
    'worker/ is how processes start. Move what you need down, or receive it as a value.',
    { pathNot: '^(worker|test)/' },
    { path: '^worker/' },
  ),
  rule(
    'nobody-imports-test',
    'Product code does not import test code.',
    { pathNot: '^(test/|vitest\\.config\\.ts$)' },
    { path: '^test/' },
  ),
  rule(
    'no-cycles',
    'Two files that need each other are one idea: merge them, or move the shared part below both.',
    {},
    {
      circular: true,
    },
  ),
  rule(
    'packages-are-declared',
    'Declare the package in package.json with an exact version: a transitive one can vanish.',
    {},
    { dependencyTypes: ['npm-no-pkg', 'npm-unknown'] },
  ),
  rule(
    'product-without-dev-packages',
    'Product code cannot use a development dependency: it is not installed in production.',
    { path: '^(workflows|activities|api|worker)/' },
    { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
  ),
  rule(
    'imports-resolve',
    'This file or package does not exist. Imports of our files end in .ts.',
    {},
    {
      couldNotResolve: true,
    },
  ),
];

export const importRules: readonly ImportRule[] = [
  ...workflowRules,
  ...activityRules,
  ...storeRules,
  ...faceRules,
  ...wholeTreeRules,
];
