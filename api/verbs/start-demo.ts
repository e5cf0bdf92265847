// The demo: a scripted run that mends a fresh copy of a small project with a failing test.
import { startRun } from '../../activities/store/lifecycle/start-run.ts';
import type { DemoView } from '../../workflows/contracts/system.ts';
import type { EmbeddedDeps } from '../deps.ts';
import { starterOf, tellAccepted } from './send-message.ts';
import type { Verb } from './verb.ts';

export const startDemo: Verb<Pick<EmbeddedDeps, 'copyDemo'>, DemoView> = async (
  parts,
  write,
  caller,
  { copyDemo },
) => {
  const project = await copyDemo();
  const accepted = await startRun(write, parts, starterOf(caller), {
    prompt: 'A test of this project fails. Find out why, mend it, and prove that it is mended.',
    project: { path: project },
    model: 'scripted/demo',
    // It runs commands in a folder of its own, and no person is asked.
    policy: 'trusted-mount-autonomous',
    metadata: { demo: 'true' },
  });
  const { run } = accepted;
  return {
    body: { runId: run.id, conversationId: run.conversation_id, project },
    after: () => tellAccepted(parts, accepted),
  };
};
