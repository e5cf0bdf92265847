// A chat: what is typed becomes messages of one conversation, and every main run of it is drawn as it happens, also one
// that was started elsewhere. The stream of the conversation has one cursor, so that a restart of the server loses nothing of it.
import type { StartRunBody } from '../../../workflows/contracts/run.ts';
import { exitCodes } from '../exit-codes.ts';
import type { Cli } from '../surroundings.ts';
import { createAttendant } from '../terminal/attendant.ts';
import { createLineBelow, type LineBelow } from '../terminal/line-below.ts';
import { openPrompt, type Terminal } from '../terminal/prompt.ts';
import { shortId } from '../terminal/short-id.ts';
import { createCourse } from './course.ts';
import { openLineHistory } from './line-history.ts';
import { createOutbox } from './outbox.ts';
import { createTyping } from './typing.ts';
import { completeWord, heardWord } from './words.ts';

interface ChatInput {
  cli: Cli;
  terminal: Terminal;
  /** What the options say; for the first message. */
  first: Omit<StartRunBody, 'prompt' | 'conversationId'>;
  conversationId: string | undefined;
}

/** Resolves with the exit code when the person leaves; runs go on. */
export async function chat(input: ChatInput): Promise<number> {
  const leaving = new AbortController();
  const leave = (): void => leaving.abort();
  const history = openLineHistory(input.cli.environment);
  const line = createLineBelow({
    terminal: input.terminal,
    output: input.cli.output,
    history: history.lines,
    complete: completeWord,
    onLines: (...given) => typing.hear(...given),
    onCtrlC: () => typing.stop(),
    onEnd: leave,
  });
  // What a command makes of the exit code is none of the chat's.
  const cli: Cli = { ...input.cli, output: line.output, exitWith: () => undefined };
  const course = createCourse({
    cli,
    signal: leaving.signal,
    attend: (renderer) => attendAbove(cli, input.terminal, line, renderer, () => typing.stop()),
    onChange: () => typing.ask(),
  });
  const { note } = course;
  const outbox = createOutbox({
    client: cli.client(),
    first: input.first,
    conversationId: input.conversationId,
    signal: leaving.signal,
    active: course.active,
    onConversation: (id) => course.follow(id, 0),
    onAccepted: (runId) => course.expect(runId),
    onRefused(text, why) {
      note(why);
      typing.begin(text);
    },
  });
  const chatting = {
    ...{ cli, leave, latestRun: course.latest },
    ...{ conversationId: outbox.conversationId, send: outbox.send, useModel: outbox.useModel },
  };
  const typing = createTyping({
    ...{ line, history, note, leave, active: course.active },
    interrupt: (runId) => cli.client().interrupt(runId),
    async say(text) {
      if (!(await heardWord(chatting, text))) await outbox.send(text.trim(), 'steer');
    },
  });

  const left = new Promise<void>((resolve) => leaving.signal.addEventListener('abort', () => resolve()));
  const stopListening = cli.onInterrupt(leave);
  try {
    if (input.conversationId !== undefined) await course.resume(input.conversationId);
    line.open();
    note('/help says what can be typed here');
    await left;
  } finally {
    leave();
    await course.close();
    line.putAway();
    stopListening();
  }
  sayGoodbye(input.cli, outbox.conversationId(), course.active());
  return exitCodes.ok;
}

/** The line is away while something is asked, and comes back with what was typed in it. */
function attendAbove(
  cli: Cli,
  terminal: Terminal,
  line: LineBelow,
  renderer: Parameters<typeof createAttendant>[0]['renderer'],
  onCtrlC: () => void,
) {
  return createAttendant({
    output: line.output,
    terminal,
    client: cli.client(),
    renderer,
    onCtrlC,
    async open(...given: Parameters<typeof openPrompt>) {
      line.putAway();
      const prompt = await openPrompt(...given);
      return {
        ...prompt,
        close() {
          prompt.close();
          line.open();
        },
      };
    },
  });
}

function sayGoodbye({ output }: Cli, conversationId: string | undefined, active: string | undefined): void {
  if (conversationId === undefined) return;
  if (active !== undefined) output.remark(`Run ${shortId(active)} goes on: perdure watch ${shortId(active)}`);
  output.remark(`Go on with: perdure chat --conversation ${shortId(conversationId)}`);
}
