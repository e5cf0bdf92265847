// The part of the client about tasks and executors.
import type { EventListView } from '../../workflows/contracts/event.ts';
import type {
  ExecutorBody,
  ExecutorListView,
  ExecutorView,
  HeartbeatView,
  PulledView,
} from '../../workflows/contracts/executor.ts';
import type { Priority } from '../../workflows/contracts/run.ts';
import type {
  CompleteTaskBody,
  FailTaskBody,
  ProgressTaskBody,
  TaskBody,
  TaskCountsView,
  TaskListView,
  TaskStatus,
  TaskView,
  TaskWithClaimsView,
  UpdateTaskBody,
} from '../../workflows/contracts/task.ts';
import type { FollowOptions } from './follow.ts';
import type { Transport } from './transport.ts';
import type { Watch } from './watch.ts';

type PageQuery = { limit?: number; cursor?: string };
type TaskQuery = PageQuery & {
  status?: TaskStatus;
  priority?: Priority;
  label?: string;
  project?: string;
  executorId?: string;
};

export function taskCalls({ json }: Transport, watch: Watch) {
  const of = (id: string): string => `/tasks/${encodeURIComponent(id)}`;
  const ofExecutor = (id: string): string => `/executors/${encodeURIComponent(id)}`;
  return {
    createTask: (body: TaskBody) => json<TaskView>('POST', '/tasks', { body }),
    tasks: (query?: TaskQuery) => json<TaskListView>('GET', '/tasks', { query: { ...query } }),
    taskCounts: () => json<TaskCountsView>('GET', '/tasks/counts'),
    task: (id: string) => json<TaskWithClaimsView>('GET', of(id)),
    updateTask: (id: string, body: UpdateTaskBody) => json<TaskView>('PATCH', of(id), { body }),
    cancelTask: (id: string) => json<TaskView>('POST', `${of(id)}/cancel`, { body: {} }),
    taskEvents: (id: string, query?: PageQuery & { after?: number }) =>
      json<EventListView>('GET', `${of(id)}/events`, { query: { ...query } }),
    /** The task's events as they happen, until it has ended. */
    watchTask: (id: string, options?: FollowOptions) =>
      watch(
        of(id),
        { numberOf: (event) => event.seq, isLast: (event) => event.type === 'task-end' },
        options,
      ),
    claimTask: (id: string, executorId: string) =>
      json<TaskWithClaimsView>('POST', `${of(id)}/claim`, { body: { executorId } }),
    progressTask: (id: string, body: ProgressTaskBody) =>
      json<TaskWithClaimsView>('POST', `${of(id)}/progress`, { body }),
    completeTask: (id: string, body: CompleteTaskBody) =>
      json<TaskWithClaimsView>('POST', `${of(id)}/complete`, { body }),
    failTask: (id: string, body: FailTaskBody) =>
      json<TaskWithClaimsView>('POST', `${of(id)}/fail`, { body }),
    executors: (query?: PageQuery) => json<ExecutorListView>('GET', '/executors', { query: { ...query } }),
    registerExecutor: (body: ExecutorBody) => json<ExecutorView>('POST', '/executors', { body }),
    beatExecutor: (id: string, draining?: boolean) =>
      json<HeartbeatView>('POST', `${ofExecutor(id)}/heartbeat`, {
        body: draining === undefined ? {} : { draining },
      }),
    pullTask: (id: string) => json<PulledView>('POST', `${ofExecutor(id)}/claim`, { body: {} }),
    deregisterExecutor: (id: string) => json<null>('DELETE', ofExecutor(id)),
  };
}
