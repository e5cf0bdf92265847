// `perdure demo`: a scripted agent mends a small project while its worker is killed in the middle of a call, and
// what the server says afterwards is checked rather than believed.
import { Command } from 'commander';
import type { CallView } from '../../../workflows/contracts/call.ts';
import type { Event } from '../../../workflows/contracts/event.ts';
import type { Client } from '../../client/client.ts';
import { showDiff } from './diff.ts';
import { exitCodes } from '../exit-codes.ts';
import { plural } from '../terminal/figures.ts';
import { followRun } from '../terminal/follow-run.ts';
import { printableLine } from '../terminal/printable.ts';
import { createRenderer, type Renderer } from '../terminal/renderer.ts';
import { exampleHelp } from '../terminal/example-help.ts';
import type { Cli } from '../surroundings.ts';

// The call of the scenario that takes ten seconds; two of them in, its process is well under way.
const longCall = 'soak.js';
const killAfterMs = 2_000;

export function demoCommand(cli: Cli): Command {
  return new Command('demo')
    .addHelpText('after', exampleHelp('perdure demo'))
    .description('watch a run survive the kill of its worker, with no model key')
    .action(async () => {
      const client = cli.client();
      const { embedded } = await client.processes();
      if (!embedded) {
        cli.output.remark(
          'perdure: The demo kills a worker, and this server does not supervise its own: use `npm start`.',
        );
        return cli.exitWith(exitCodes.failed);
      }
      const leaving = new AbortController();
      const stopListening = cli.onInterrupt(() => leaving.abort());
      try {
        cli.exitWith(await demo(cli, client, leaving.signal));
      } finally {
        stopListening();
      }
    });
}

async function demo(cli: Cli, client: Client, signal: AbortSignal): Promise<number> {
  const { output } = cli;
  const { runId, project } = await client.startDemo();
  const renderer = createRenderer(output);
  renderer.note(`a copy of a small project with a failing test: ${printableLine(project, 500)}`);
  const fault = createFault(client, renderer);
  let code: number;
  try {
    code = await followRun(cli, client, runId, { signal, renderer, onEvent: fault.onEvent });
  } finally {
    fault.stop();
  }
  if (code === exitCodes.left) return code;
  output.line();
  const killed = fault.summary();
  output.line(killed ?? 'The worker was not killed: the run ended before its long call.');
  const unknown = (await client.calls(runId, { limit: 200 })).items.filter(
    (call) => call.status === 'unknown',
  );
  for (const call of unknown) output.line(toUnknown(call));
  const { diff } = await client.diff(runId);
  output.line(diff === '' ? 'The run changed nothing.' : `What the run changed (perdure diff ${runId}):\n`);
  showDiff(output, diff);
  output.line();
  const { count, problem } = await countEvents(client, runId);
  output.line(problem ?? `${plural(count, 'event')}, numbered 1 to ${count}: none lost, none twice.`);
  return killed === undefined || problem !== undefined ? exitCodes.failed : code;
}

/** Kills the worker once, in the middle of the long call, and takes the time until the run goes on. */
function createFault(client: Client, renderer: Renderer) {
  let callId: string | undefined;
  let timer: NodeJS.Timeout | undefined;
  let killedAt: number | undefined;
  let recoveredAfterMs: number | undefined;

  async function kill(): Promise<void> {
    try {
      await client.killProcess('worker');
      killedAt = performance.now();
      renderer.note(`kill -9 of the worker, in the middle of call ${callId}`);
    } catch (error) {
      renderer.note(
        `the worker could not be killed: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  }

  function onEvent(event: Event): void {
    if (event.type === 'call-request' && callId === undefined && event.payload.subject.includes(longCall)) {
      callId = event.payload.callId;
    }
    if (event.type === 'call-start' && event.payload.callId === callId && timer === undefined) {
      timer = setTimeout(() => void kill(), killAfterMs);
    }
    // Output that was under way may arrive after the kill; anything else comes from the worker that took over.
    if (killedAt === undefined || recoveredAfterMs !== undefined || event.type === 'call-delta') return;
    recoveredAfterMs = performance.now() - killedAt;
  }

  function summary(): string | undefined {
    if (recoveredAfterMs === undefined) return undefined;
    const after = (recoveredAfterMs / 1000).toFixed(1);
    return `The worker was killed in the middle of call ${callId}; the run went on ${after} s later.`;
  }

  return { onEvent, summary, stop: () => clearTimeout(timer) };
}

function toUnknown(call: CallView): string {
  const what = printableLine(`${call.callId} (${call.tool} ${call.subject})`, 200);
  return `Whether call ${what} took effect could not be known: it was not repeated, and the agent was told so.`;
}

async function countEvents(client: Client, runId: string): Promise<{ count: number; problem?: string }> {
  let count = 0;
  for (let after: string | null = '0'; after !== null; ) {
    const page = await client.runEvents(runId, { after, limit: 1000 });
    for (const event of page.items) {
      if (event.seq !== count + 1)
        return { count, problem: `Event ${event.seq} follows event ${count}: report this.` };
      count = event.seq;
    }
    after = page.nextCursor;
  }
  return { count };
}
