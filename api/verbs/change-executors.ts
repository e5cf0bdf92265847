// Agents of others as executors: registered, beating, gone.
import { lockDispatcher } from '../../activities/store/tasks/dispatchers.ts';
import * as registered from '../../activities/store/tasks/registered.ts';
import type { ExecutorBody, ExecutorView, HeartbeatView } from '../../workflows/contracts/executor.ts';
import { tellDispatcher } from './change-task.ts';
import type { Verb } from './verb.ts';

// A few beats of an agent that beats every twenty seconds.
const usualTtlSeconds = 60;

export const registerExecutor: Verb<ExecutorBody, ExecutorView> = async (
  parts,
  write,
  { tenantId },
  body,
) => {
  const { name, capabilities = [], places = 1, ttlSeconds = usualTtlSeconds } = body;
  const dispatcher = await lockDispatcher(write, tenantId);
  const agent = await registered.registerAgent(write, tenantId, { name, capabilities, places, ttlSeconds });
  // Those that were silent gave back what they held.
  return { body: registered.toExecutorView(agent), after: () => tellDispatcher(parts, dispatcher) };
};

export const beatExecutor: Verb<
  { executorId: string; draining: boolean | undefined },
  HeartbeatView
> = async (_parts, write, { tenantId }, { executorId, draining }) => {
  // So that it is not taken for silent at the same moment.
  await lockDispatcher(write, tenantId);
  const { agent, holds } = await registered.beatAgent(write, tenantId, executorId, draining);
  const held = holds.map(({ id: taskId, claim }) => ({ taskId, claim }));
  return { body: { ...registered.toExecutorView(agent), holds: held } };
};

export const deregisterExecutor: Verb<{ executorId: string }, undefined> = async (
  parts,
  write,
  { tenantId },
  { executorId },
) => {
  const dispatcher = await lockDispatcher(write, tenantId);
  await registered.deregisterAgent(write, tenantId, executorId);
  return { body: undefined, after: () => tellDispatcher(parts, dispatcher) };
};
