// A kind of execution that the product does not know: whatever is done for runs is done for its rows by the same code.
import {
  type Client,
  WorkflowExecutionAlreadyStartedError,
  WorkflowIdReusePolicy,
  WorkflowNotFoundError,
  type WorkflowStartOptions,
} from '@temporalio/client';
import { sql } from 'kysely';
import pino from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { createExecutions } from '../../../api/upkeep/executions.ts';
import type { ExecutionRow, Kind } from '../../../api/upkeep/kind.ts';
import { createReconciler } from '../../../api/upkeep/reconciler.ts';
import { createSweeper } from '../../../api/upkeep/sweeper.ts';
import type { Upkeep } from '../../../api/upkeep/upkeep.ts';
import { openTestStore } from '../../support/store.ts';

const store = await openTestStore();
const { db, pool } = store.database;
const logger = pino({ level: 'silent' });

interface Toy extends ExecutionRow {
  colour: string;
  ended: string | null;
}

await pool.query(`create table toys (
  id text primary key, colour text not null, generation int not null default 0, execution_id text, stuck text,
  ended text, unread boolean not null default false)`);

const active = sql`from toys where ended is null`;
const toyKind: Kind<Toy> = {
  name: 'plan',
  workflowType: 'play',
  startOf: ({ id, colour }) => ({
    input: { id, colour },
    priority: {},
    searchAttributes: [],
    summary: colour,
    details: `It is ${colour}.`,
  }),
  async listUnstarted(queries, _, limit, after = '') {
    const page = sql<Toy>`select * ${active} and execution_id is null and id > ${after} order by id limit ${limit}`;
    return (await page.execute(queries)).rows;
  },
  async listUndrained(queries, _, limit) {
    return (await sql<Toy>`select * ${active} and unread limit ${limit}`.execute(queries)).rows;
  },
  async listActive(queries, limit, after = '') {
    const page = sql<Toy>`select * ${active} and id > ${after} order by id limit ${limit}`;
    return (await page.execute(queries)).rows;
  },
};

interface FakeWorkflow {
  type: string;
  args: unknown;
  generation: number;
  chain: string;
  isRunning: boolean;
  tries: number;
  signals: string[];
}

/** A Temporal server in memory: as much of one as executions need. */
function fakeTemporal(): { client: Client; workflows: Map<string, FakeWorkflow> } {
  const workflows = new Map<string, FakeWorkflow>();
  let chains = 0;

  function running(id: string, chain?: string): FakeWorkflow {
    const workflow = workflows.get(id);
    if (!workflow?.isRunning || (chain !== undefined && workflow.chain !== chain))
      throw new WorkflowNotFoundError('it is not there', id, undefined);
    return workflow;
  }

  const workflow = {
    async start(type: string, { workflowId, args, memo, workflowIdReusePolicy }: WorkflowStartOptions) {
      const before = workflows.get(workflowId);
      if (before?.isRunning || (before && workflowIdReusePolicy === WorkflowIdReusePolicy.REJECT_DUPLICATE))
        throw new WorkflowExecutionAlreadyStartedError('it is there', workflowId, type);
      chains += 1;
      const generation = Number(memo?.['generation']);
      const fresh = {
        type,
        args,
        generation,
        chain: `chain-${chains}`,
        isRunning: true,
        tries: 1,
        signals: [],
      };
      workflows.set(workflowId, fresh);
    },
    getHandle: (id: string, _: undefined, options?: { firstExecutionRunId: string }) => ({
      signal: async ({ name }: { name: string }) => void running(id).signals.push(name),
      terminate: async () => void (running(id, options?.firstExecutionRunId).isRunning = false),
      async describe() {
        const known = workflows.get(id);
        if (!known) throw new WorkflowNotFoundError('it is not there', id, undefined);
        return {
          status: { name: known.isRunning ? 'RUNNING' : 'TERMINATED' },
          memo: { generation: known.generation },
          raw: {
            workflowExecutionInfo: { firstRunId: known.chain },
            pendingWorkflowTask: { attempt: known.tries },
          },
          runId: known.chain,
        };
      },
    }),
  };
  const connection = { withDeadline: async (_: number, act: () => Promise<unknown>) => act() };
  return { client: { workflow, connection } as unknown as Client, workflows };
}

function open(chores: Upkeep['chores'] = []) {
  const { client, workflows } = fakeTemporal();
  const executions = createExecutions(toyKind, client, logger);
  async function change(row: Toy, column: 'stuck' | 'ended', value: string | null): Promise<void> {
    await pool.query(`update toys set ${column} = $2 where id = $1`, [row.id, value]);
  }
  const upkeep: Upkeep<Toy> = {
    kind: toyKind,
    executions,
    chores,
    async endLost(row) {
      await change(row, 'ended', 'its workflow is gone');
      return true;
    },
    async markStuck(row, tries) {
      await change(row, 'stuck', `${tries} tries`);
      return true;
    },
    markGoingOn: (row) => change(row, 'stuck', null),
  };
  return { upkeep, executions, workflows };
}

async function toy(id: string, execution: string | null = null): Promise<() => Promise<Toy>> {
  await pool.query('insert into toys (id, colour, execution_id) values ($1, $2, $3)', [id, 'red', execution]);
  onTestFinished(async () => void (await pool.query('delete from toys')));
  return async () => (await pool.query<Toy>('select * from toys where id = $1', [id])).rows[0] as Toy;
}

function sweep(...kinds: Upkeep[]): void {
  const sweeper = createSweeper({ db, kinds, logger, everyMs: 10 });
  onTestFinished(() => sweeper.close());
}

function reconcile(...kinds: Upkeep[]): void {
  const reconciler = createReconciler({ db, kinds, logger, everyMs: 10 });
  onTestFinished(() => reconciler.close());
}

test('what was accepted is started once, what has something to read is woken, and its chores are done', async () => {
  let done = 0;
  const { upkeep, workflows } = open([{ name: 'dusting', act: async () => void (done += 1) }]);
  await toy('one');
  sweep(upkeep);
  await expect.poll(() => done).toBeGreaterThan(2);
  expect([...workflows]).toEqual([
    [
      'plan/one',
      expect.objectContaining({ type: 'play', args: [{ id: 'one', colour: 'red' }], generation: 0 }),
    ],
  ]);
  const workflow = workflows.get('plan/one');
  expect(workflow).toMatchObject({ chain: 'chain-1', signals: [] });
  await pool.query('update toys set unread = true');
  await expect.poll(() => workflow?.signals).toContain('wake');
});

test('what has lost its workflow is ended, and what Temporal never heard of is left to be started', async () => {
  const { upkeep, executions, workflows } = open();
  const [lost, well, unheard] = [
    await toy('lost', 'chain-1'),
    await toy('well', 'chain-2'),
    await toy('unheard'),
  ];
  for (const row of [await lost(), await well()]) executions.started(row);
  await executions.settled();
  Object.assign(workflows.get('plan/lost') ?? {}, { isRunning: false });
  reconcile(upkeep);
  await expect.poll(lost).toMatchObject({ ended: 'its workflow is gone' });
  expect([await well(), await unheard()]).toMatchObject([{ ended: null }, { ended: null }]);
});

test('what keeps failing is marked as stuck, and not any more once it goes on', async () => {
  const { upkeep, executions, workflows } = open();
  const stuck = await toy('stuck', 'chain-1');
  executions.started(await stuck());
  await executions.settled();
  Object.assign(workflows.get('plan/stuck') ?? {}, { tries: 5 });
  reconcile(upkeep);
  await expect.poll(stuck).toMatchObject({ stuck: '5 tries' });
  Object.assign(workflows.get('plan/stuck') ?? {}, { tries: 1 });
  await expect.poll(stuck).toMatchObject({ stuck: null, ended: null });
});

test('what was given another execution gets it in place of the one before, however often that is said', async () => {
  const { executions, workflows } = open();
  const again = await toy('again', 'chain-1');
  executions.started(await again());
  await executions.settled();
  await pool.query('update toys set generation = 1, execution_id = null');
  for (let times = 0; times < 3; times += 1) {
    executions.started(await again());
    await executions.settled();
  }
  expect(await executions.describe('again')).toEqual({
    isRunning: true,
    generation: 1,
    chain: 'chain-2',
    tries: 1,
  });
  expect(workflows.size).toBe(1);
});

test('a kind whose rows cannot be read keeps no other kind back', async () => {
  const broken = open().upkeep;
  const reads = async () => Promise.reject(new Error('a bug'));
  const kind = { ...toyKind, listUnstarted: reads, listUndrained: reads, listActive: reads };
  const { upkeep, workflows } = open();
  const lost = await toy('lost', 'chain-1');
  await toy('one');
  upkeep.executions.started(await lost());
  await upkeep.executions.settled();
  Object.assign(workflows.get('plan/lost') ?? {}, { isRunning: false });
  sweep({ ...broken, kind }, upkeep);
  reconcile({ ...broken, kind }, upkeep);
  await expect.poll(() => workflows.has('plan/one')).toBe(true);
  await expect.poll(lost).toMatchObject({ ended: 'its workflow is gone' });
});
