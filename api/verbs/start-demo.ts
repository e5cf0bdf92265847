// The demo: a scripted run that mends a fresh copy of a small project with a failing test.
import { startRun } from '../../activities/store/lifecycle/start-run.ts';
import type { DemoView } from '../../workflows/contracts/system.ts';
import { tellAccepted } from './send-message.ts';
import { actorOf, type Verb } from './verb.ts';

export interface DemoCopies {
  /** Makes a fresh copy of the demo's project; returns its path. */
  copyDemo(): Promise<string>;
}

export const startDemo: Verb<DemoCopies, DemoView> = async (parts, write, caller, { copyDemo }) => {
  const project = await copyDemo();
  const sandbox = await parts.bestSandbox();
  const accepted = await startRun(write, parts, actorOf(caller), {
    prompt: 'A test of this project fails. Find out why, mend it, and prove that it is mended.',
    // Its script needs all the tools.
    preset: null,
    project: { path: project },
    model: 'scripted/demo',
    // It runs commands in a folder of its own, and no person is asked: contained where this machine can do so.
    policy: 'trusted-mount-autonomous',
    ...(sandbox && { execMode: sandbox.mode }),
    metadata: { demo: 'true' },
  });
  const { run } = accepted;
  return {
    body: { runId: run.id, conversationId: run.conversation_id, project },
    after: () => tellAccepted(parts, accepted),
  };
};
