import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import {
  claimByAgent,
  completeTask,
  failTask,
  pullTask,
  type Said,
} from '../../../../activities/store/tasks/claims.ts';
import { createLimit } from '../../../../activities/store/db/limit.ts';
import { beatAgent, deregisterAgent } from '../../../../activities/store/tasks/registered.ts';
import type { TaskRow } from '../../../../activities/store/tasks/task-row.ts';
import type { Write } from '../../../../activities/store/log/events.ts';
import { cancelTask } from '../../../../activities/store/tasks/tasks.ts';
import { hasEnded } from '../../../../workflows/tasks/transitions.ts';
import { openTestStore, type TestStore } from '../../../support/store.ts';
import { type Fleet, openFleet } from './handing-out.ts';

let store: TestStore;
beforeAll(async () => {
  store = await openTestStore();
});

// None falls silent before its turn has come.
const longSeconds = 3600;

// As the API does.
const limited = createLimit(4);

function inTurn<Done>(fleet: Fleet, act: (write: Write) => Promise<Done>): Promise<Done> {
  return limited(() => fleet.inTurn(act));
}

function pull(fleet: Fleet, executorId: string): Promise<TaskRow | undefined> {
  return inTurn(fleet, (write) => pullTask(write, { tenantId: fleet.tenantId, executorId }));
}

function complete(fleet: Fleet, { id: taskId, claim }: TaskRow): Promise<Said> {
  const { tenantId } = fleet;
  return inTurn(fleet, (write) => completeTask(write, { tenantId, taskId, claim }, undefined));
}

test('of 64 agents that claim at once each task has one, none is lost, and what comes late is refused', async () => {
  const fleet = await openFleet(store);
  const agents: string[] = [];
  for (let made = 0; made < 64; made += 1) agents.push(await fleet.agent(`agent-${made}`, longSeconds));
  const tasks: TaskRow[] = [];
  for (let made = 0; made < 48; made += 1) tasks.push(await fleet.task());
  // All of them want the first one by its name, and then what comes.
  const [first] = tasks as [TaskRow];
  const named = await Promise.allSettled(
    agents.map((executorId) =>
      inTurn(fleet, (write) => claimByAgent(write, { tenantId: fleet.tenantId, executorId }, first.id)),
    ),
  );
  expect(named.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  const pulled = (await Promise.all(agents.map((agent) => pull(fleet, agent)))).filter(
    (task) => task !== undefined,
  );
  const held = [...pulled.map(({ id }) => id), first.id];
  expect([...held].sort()).toEqual(tasks.map(({ id }) => id).sort());

  // A third of them is gone with what they held, which others take; then the first ones come back with results.
  const lost = pulled.filter((_, index) => index % 3 === 0);
  for (const { executor_id: id } of lost)
    if (id !== null) await fleet.inTurn((write) => deregisterAgent(write, fleet.tenantId, id));
  const takers: string[] = [];
  for (const { id } of lost) takers.push(await fleet.agent(`taker-${id}`, longSeconds));
  const again = (await Promise.all(takers.map((taker) => pull(fleet, taker)))).filter(
    (task) => task !== undefined,
  );
  expect(again.map(({ claim }) => claim)).toEqual(lost.map(() => 2));
  const late = await Promise.all(lost.map((task) => complete(fleet, task)));
  expect(late.every(({ refused }) => refused?.includes('counts no more: another has it, by claim 2'))).toBe(
    true,
  );
  const done = await Promise.all(again.map((task) => complete(fleet, task)));
  expect(done.map(({ refused, task }) => [refused, task.status])).toEqual(
    again.map(() => [undefined, 'completed']),
  );
  const [one] = again as [TaskRow];
  expect(await fleet.claims(one)).toMatchObject([
    { claim: 1, outcome: 'released', late: 'its completion' },
    { claim: 2, outcome: 'completed', late: null },
  ]);
});

test('an agent that drains takes nothing more, until it registers again', async () => {
  const fleet = await openFleet(store);
  const agent = await fleet.agent('box');
  const task = await fleet.task();
  await inTurn(fleet, (write) => beatAgent(write, fleet.tenantId, agent, true));
  expect(await pull(fleet, agent)).toBeUndefined();
  expect(await fleet.agent('box')).toBe(agent);
  expect(await pull(fleet, agent)).toMatchObject({ id: task.id, executor_id: agent });
});

test('what is said of a task that has ended is refused, and noted with the claim', async () => {
  const fleet = await openFleet(store);
  const task = await fleet.task();
  const held = await pull(fleet, await fleet.agent('box'));
  await inTurn(fleet, (write) => cancelTask(write, task.id, fleet.author, 'm'));
  expect(await complete(fleet, held ?? task)).toMatchObject({
    task: { status: 'cancelled' },
    refused: `Claim 1 of task ${task.id} counts no more: it is cancelled. Stop working on it.`,
  });
  expect(await fleet.claims(task)).toMatchObject([{ outcome: 'cancelled', late: 'its completion' }]);
});

test('whatever becomes of the tasks of a graph, each of them ends, and none was begun before what it depends on', async () => {
  const outcome = fc.constantFrom('complete', 'fail', 'cancel');
  const graph = fc.array(fc.record({ on: fc.array(fc.nat(9), { maxLength: 3 }), outcome }), {
    minLength: 1,
    maxLength: 8,
  });
  await fc.assert(
    fc.asyncProperty(graph, async (drawn) => {
      const fleet = await openFleet(store);
      const agent = await fleet.agent('one');
      const tasks: TaskRow[] = [];
      for (const { on } of drawn) {
        const above = on.flatMap((index) => tasks[index % Math.max(tasks.length, 1)]?.id ?? []);
        tasks.push(await fleet.task({ dependsOn: [...new Set(above)], retries: 1 }));
      }
      for (let task = await pull(fleet, agent); task; task = await pull(fleet, agent)) {
        const { id: taskId, claim, depends_on: above } = task;
        expect((await Promise.all(above.map((id) => fleet.see({ id })))).map(({ status }) => status)).toEqual(
          above.map(() => 'completed'),
        );
        const saying = { tenantId: fleet.tenantId, taskId, claim };
        const { outcome: to } = drawn[tasks.findIndex(({ id }) => id === taskId)] ?? { outcome: 'complete' };
        await fleet.inTurn(async (write) => {
          if (to === 'complete') await completeTask(write, saying, undefined);
          else if (to === 'fail') await failTask(write, saying, 'No.');
          else await cancelTask(write, taskId, fleet.author, 'm');
        });
      }
      const left = (await Promise.all(tasks.map(fleet.see))).filter(({ status }) => !hasEnded(status));
      expect(left).toEqual([]);
    }),
    { numRuns: 25 },
  );
});
