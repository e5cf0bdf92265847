// The bundle entry: one line per workflow, nothing else.
export { agentRun } from './agent-run.ts';
export { deliverHooks } from './deliver-hooks.ts';
export { dispatch } from './dispatch.ts';
export { rewind } from './rewind.ts';
export { scheduleRun } from './schedule-run.ts';
