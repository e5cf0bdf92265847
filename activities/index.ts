// The activities a worker registers, bound to what they are given.
import type { Activities } from '../workflows/contracts/activities.ts';
import { createCallModel } from './call-model.ts';
import { closing } from './closing.ts';
import type { ActivityDeps } from './deps.ts';
import { createRewindProject } from './rewind.ts';
import { createBeginRun, createFinishRun, createPendingInput, createSnapshotProject } from './run.ts';
import { createRunTool } from './run-tool.ts';
import { createAttendSchedule } from './schedule.ts';
import { createAttendTasks } from './tasks.ts';
import { createAttendWebhook } from './webhooks.ts';

export function createActivities(deps: ActivityDeps): Activities {
  return {
    beginRun: closing(deps, createBeginRun(deps)),
    snapshotProject: createSnapshotProject(deps),
    callModel: closing(deps, createCallModel(deps)),
    runTool: createRunTool(deps),
    pendingInput: createPendingInput(deps),
    finishRun: closing(deps, createFinishRun(deps)),
    rewindProject: createRewindProject(deps),
    attendSchedule: createAttendSchedule(deps),
    attendTasks: createAttendTasks(deps),
    attendWebhook: createAttendWebhook(deps),
  };
}
