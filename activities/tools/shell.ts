// Runs shell commands in the project directory: in the foreground with a time limit, or in the background with
// polling. In `mount` mode a command is not contained: it reaches what the user of the worker can.
import { z } from 'zod';
import { answer, done, failed } from './answer.ts';
import { type Background, type BackgroundState, endingOf, type ForegroundEnd } from './background.ts';
import { createCapture, type Capture } from './capture.ts';
import { hostField, textField } from './fields.ts';
import { toPlainText } from './plain-text.ts';
import { defineTool, type Tool, type ToolContext, type ToolResult } from './tool.ts';

// One argument of a program may hold 128 KiB on Linux.
const maxCommandBytes = 100_000;
// Most builds and tests are done by then; the model can ask for more.
const defaultSeconds = 120;
const maxSeconds = 3600;
// Starting takes milliseconds; storing the handle waits for the database.
const startSeconds = 60;
// The tool stops the command itself and keeps its output; the caller's deadline comes only if that fails.
const marginSeconds = 30;
// Of what goes on after the shell, enough to know it by.
const mostNamed = 5;
const mostOfCommand = 100;
// A run must notice an interrupt's effects and its own limits now and then.
const maxWaitSeconds = 300;

// Each is shown to the person who is asked; the packages of a project come from fewer.
const mostHosts = 20;

const command = textField(maxCommandBytes).refine((value) => value.trim() !== '', 'must not be empty');
// The id of the call that started it.
const id = textField(100).refine((value) => value !== '', 'must not be empty');

const shellInput = z.strictObject({
  command,
  timeoutSeconds: z.int().min(1).max(maxSeconds).optional(),
  background: z.boolean().optional(),
  hosts: z.array(hostField).min(1).max(mostHosts).optional(),
});
const pollInput = z.strictObject({ id, waitSeconds: z.int().min(0).max(maxWaitSeconds).optional() });
const killInput = z.strictObject({ id });

export function createShell(background: Background): Tool {
  return defineTool<z.infer<typeof shellInput>>({
    name: 'shell',
    description:
      `Runs a bash command in the project directory and answers with its output and exit code. It is stopped after ` +
      `\`timeoutSeconds\` (${defaultSeconds} unless said otherwise). With \`background\` it goes on after the call, as ` +
      'does what it started with `&`, until the run ends: read it with shell-poll, end it with shell-kill. ' +
      'Where commands are contained they reach nothing of the network but the `hosts` that the call names, each decided ' +
      'as for fetch: names such as packages.example.org, with a port where it is neither 80 nor 443.',
    input: shellInput,
    effect: 'execute',
    repeat: 'once',
    subject: (input) => input.command,
    hosts: (input) => input.hosts ?? [],
    timeoutSeconds: (input) =>
      input.background === true ? startSeconds : (input.timeoutSeconds ?? defaultSeconds) + marginSeconds,
    run: (input, context) =>
      answer(async () => {
        if (input.background !== true) return await runForeground(background, input, context);
        const problem = await background.start(context.runs ?? input.command, context);
        if (problem !== undefined) return failed(problem);
        return done(
          `Started in the background with the id ${context.callId}. Read its output with shell-poll.`,
        );
      }),
  });
}

export function createShellPoll(background: Background): Tool {
  return defineTool<z.infer<typeof pollInput>>({
    name: 'shell-poll',
    description:
      'Answers what a background command said since it was last asked and whether it still runs; waits up to ' +
      '`waitSeconds` for its end.',
    input: pollInput,
    effect: 'read',
    repeat: 'safe',
    subject: (input) => input.id,
    subjectKind: 'run',
    timeoutSeconds: (input) => (input.waitSeconds ?? 0) + marginSeconds,
    async run(input, { runId, signal }) {
      const waitMs = (input.waitSeconds ?? 0) * 1000;
      return describe(input.id, await background.poll(runId, input.id, waitMs, signal));
    },
  });
}

export function createShellKill(background: Background): Tool {
  return defineTool<z.infer<typeof killInput>>({
    name: 'shell-kill',
    description: 'Ends a background command and everything it started, and answers its last output.',
    input: killInput,
    effect: 'execute',
    repeat: 'safe',
    subject: (input) => input.id,
    subjectKind: 'run',
    timeoutSeconds: () => marginSeconds,
    run: async (input, { runId }) => describe(input.id, await background.kill(runId, input.id)),
  });
}

async function runForeground(
  background: Background,
  input: z.infer<typeof shellInput>,
  context: ToolContext,
): Promise<ToolResult> {
  const seconds = input.timeoutSeconds ?? defaultSeconds;
  const timeUp = new AbortController();
  let clock: NodeJS.Timeout | undefined;
  // From its start: it may have waited long for a place to run in.
  const recordHandle: ToolContext['recordHandle'] = async (handle) => {
    await context.recordHandle(handle);
    clock ??= setTimeout(() => timeUp.abort(), seconds * 1000);
  };
  const capture = createCapture({ live: context.output });
  try {
    const signal = AbortSignal.any([context.signal, timeUp.signal]);
    const command = context.runs ?? input.command;
    const result = await background.run(command, { ...context, recordHandle }, capture, signal);
    const ending = `${endingOf(result)}${whatGoesOn(context.callId, result)}`;
    const isUnknown = result.exitCode === null && result.signal === null;
    const output = withEnding(capture, ending);
    return { ok: result.exitCode === 0, output, ...(isUnknown && { unknown: true }) };
  } catch (error) {
    // What stops the whole call is for the caller to tell; only the command's own time limit is an answer.
    if (context.signal.aborted || !timeUp.signal.aborted || error !== timeUp.signal.reason) throw error;
    const ending = `stopped after ${seconds} seconds; give a longer timeoutSeconds, or use background`;
    return failed(withEnding(capture, ending));
  } finally {
    clearTimeout(clock);
  }
}

function whatGoesOn(id: string, { left, leftEnded }: ForegroundEnd): string {
  if (leftEnded)
    return '; what it left running was ended, for too many background commands are running already: kill one with shell-kill';
  if (left.length === 0) return '';
  const named = left
    .slice(0, mostNamed)
    .map(({ pid, command }) => `${pid} ${command.slice(0, mostOfCommand)}`.trim())
    .join(', ');
  const more = left.length > mostNamed ? ` and ${left.length - mostNamed} more` : '';
  return `; still running in the background as ${id}, until the run ends: process ${named}${more}; read it with shell-poll, end it with shell-kill`;
}

function withEnding(capture: Capture, ending: string): string {
  const text = toPlainText(capture.text());
  return `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}[${ending}]`;
}

function describe(id: string, { output, droppedBytes, state, ending }: BackgroundState): ToolResult {
  if (state === 'lost') {
    return failed(
      `This worker holds no background command ${id}. If one was started, it was lost with its worker and was ` +
        'killed: what it did until then is done, and its output is gone. Start it again if it is still needed.',
    );
  }
  if (state === 'elsewhere') {
    return failed(
      `The background command ${id} still runs, but another worker holds its output; shell-kill ends it.`,
    );
  }
  const dropped =
    droppedBytes === 0 ? '' : `[${droppedBytes.toLocaleString('en')} earlier bytes were dropped]\n`;
  const gap = output === '' || output.endsWith('\n') ? '' : '\n';
  const words = { running: 'still running', ended: `ended, ${ending}`, killed: 'killed' };
  return done(`${dropped}${output}${gap}[${words[state]}]`);
}
