// The bundle entry: one line per workflow, nothing else.
export { agentRun } from './agent-run.ts';
