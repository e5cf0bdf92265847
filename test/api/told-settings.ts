// Every setting of a run, said in two ways that are no defaults.
import { v7 as uuid } from 'uuid';
import { type Db, defaultTenant } from '../../activities/store/db/database.ts';
import { registerExecutor } from '../../activities/store/runs/executors.ts';
import type { RunView, StartRunBody } from '../../workflows/contracts/run.ts';

/** A setting as its run shows it. */
export const fields = [
  'preset',
  'project',
  'model',
  'policy',
  'limits',
  'priority',
  'owner',
  'attended',
  'overBudget',
  'execMode',
  'container',
  'executor',
  'workTree',
  'externalTools',
  'metadata',
  'acceptNoContainment',
] as const satisfies (keyof StartRunBody & keyof RunView)[];
export type Field = (typeof fields)[number];

const tool = { name: 'ticket', description: 'Reads a ticket.', inputSchema: { type: 'object' } };
// A workspace is in the place of a project: test/api/workspaces.test.ts says what becomes of it.
type Elsewhere = 'workspace';
type OfMessage = 'prompt' | 'parts' | 'messageId' | 'conversationId' | 'fromRunId' | 'whenBusy' | 'wakeUp';
export const told: Omit<Required<StartRunBody>, OfMessage | Elsewhere> = {
  preset: 'teller',
  variables: {},
  project: { path: '/srv/shop' },
  model: 'scripted/other',
  policy: 'plan-readonly',
  limits: { steps: 7, costMicros: 400_000 },
  priority: 'high',
  owner: 'ada',
  attended: true,
  overBudget: 'pause',
  execMode: 'bubblewrap',
  container: { id: 'web' },
  executor: 'away',
  workTree: 'own',
  externalTools: [tool],
  metadata: { ticket: '12' },
  acceptNoContainment: true,
};
export const other: typeof told = {
  preset: null,
  variables: {},
  project: { path: '/srv/engine' },
  model: 'scripted/third',
  policy: 'ask-everything',
  limits: { steps: 9, seconds: 60 },
  priority: 'low',
  owner: 'bob',
  attended: false,
  overBudget: 'fail',
  execMode: 'mount',
  container: { id: 'api', workdir: '/workspace' },
  executor: 'afar',
  workTree: 'in-place',
  externalTools: [],
  metadata: { ticket: '13' },
  acceptNoContainment: false,
};
/** As `perdure run` takes them; it knows no tools of a caller's own. */
export const options = [
  ...[
    '--preset',
    'none',
    '--project',
    '/srv/engine',
    '--model',
    'scripted/third',
    '--policy',
    'ask-everything',
  ],
  ...['--limit-steps', '9', '--limit-seconds', '60', '--priority', 'low', '--owner', 'bob'],
  ...['--no-attended', '--over-budget', 'fail', '--sandbox', 'mount', '--in-place'],
  ...['--executor', 'afar'],
  ...['--metadata', 'ticket=13'],
];

/** The executors of both. */
export async function registerMachines(db: Db): Promise<void> {
  for (const name of ['away', 'afar'])
    await registerExecutor(db, {
      ...{ id: uuid(), tenantId: defaultTenant, host: name, pid: 1, startedTicks: '', capacity: {} },
      queues: [`tools/${name}`, `trees/${name}`],
      offers: { name, capabilities: [], sandboxes: ['mount', 'bubblewrap'], places: 1, codeVersion: '' },
    });
}
