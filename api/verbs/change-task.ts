// Tasks: made, changed, cancelled. Each is refused as its run would be, so that what is wrong with it is told now.
import { executorOf } from '../../activities/store/lifecycle/choose-executor.ts';
import { checkStart } from '../../activities/store/lifecycle/start-run.ts';
import { type DispatcherRow, lockDispatcher } from '../../activities/store/tasks/dispatchers.ts';
import { toTaskView } from '../../activities/store/tasks/task-row.ts';
import * as store from '../../activities/store/tasks/tasks.ts';
import type { Priority } from '../../workflows/contracts/run.ts';
import type { TaskBody, TaskPriority, TaskView, UpdateTaskBody } from '../../workflows/contracts/task.ts';
import { present } from '../present.ts';
import { tellEnded } from './stop-run.ts';
import { actorOf, type Verb, type VerbParts } from './verb.ts';

// The third failure is the last.
const usualRetries = 3;

function toPriority(said: TaskPriority): Priority {
  return said === 'medium' ? 'normal' : said;
}

export const createTask: Verb<TaskBody, TaskView> = async (parts, write, caller, body) => {
  const { run = {}, prompt, priority = 'normal', ...fields } = body;
  const author = actorOf(caller);
  await checkStart(write, parts, author, { ...run, prompt });
  // By the name that its successors have too. A worker of the server stands for any of them.
  const executor = (await executorOf(write.tx, caller.tenantId, run.executor))?.name ?? null;
  const dispatcher = await lockDispatcher(write, caller.tenantId);
  const said = {
    labels: [],
    files: [],
    acceptance: [],
    dependsOn: [],
    retries: usualRetries,
    ...present(fields),
    title: parts.redact(body.title),
    // On entry, as the prompt of any run.
    prompt: parts.redact(prompt),
    priority: toPriority(priority),
  };
  const kept = run.executor == null ? run : { ...run, executor };
  const task = await store.insertTask(write, said, kept, author);
  return { body: toTaskView(task), after: () => tellDispatcher(parts, dispatcher) };
};

export const updateTask: Verb<UpdateTaskBody & { taskId: string }, TaskView> = async (
  parts,
  write,
  caller,
  { taskId, version, title, prompt, priority, ...fields },
) => {
  const dispatcher = await lockDispatcher(write, caller.tenantId);
  const change = {
    ...present(fields),
    ...(title !== undefined && { title: parts.redact(title) }),
    ...(prompt !== undefined && { prompt: parts.redact(prompt) }),
    ...(priority !== undefined && { priority: toPriority(priority) }),
  };
  const task = await store.changeTask(write, taskId, version, change, actorOf(caller));
  return { body: toTaskView(task), after: () => tellDispatcher(parts, dispatcher) };
};

export const cancelTask: Verb<{ taskId: string }, TaskView> = async (parts, write, caller, { taskId }) => {
  const dispatcher = await lockDispatcher(write, caller.tenantId);
  const { task, stopped } = await store.cancelTask(write, taskId, actorOf(caller), `task-${taskId}`);
  return {
    body: toTaskView(task),
    async after() {
      tellDispatcher(parts, dispatcher);
      if (stopped && !stopped.ended) parts.runs.wake(stopped.runId);
      if (stopped?.ended) await tellEnded(parts, stopped.ended);
    },
  };
};

/** That there is something for it in the rows: it is woken, or started where it was made just now. */
export function tellDispatcher({ dispatchers }: Pick<VerbParts, 'dispatchers'>, row: DispatcherRow): void {
  if (row.execution_id === null) dispatchers.started(row);
  else dispatchers.wake(row.id);
}
