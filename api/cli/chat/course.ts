// What happens in a conversation, drawn as it comes: its main runs one after the other, and which of them is at work.
// What subagents do is theirs; what they ask comes through the run above them.
import type { Event } from '../../../workflows/contracts/event.ts';
import { type Client, Unreachable } from '../../client/client.ts';
import type { Cli } from '../surroundings.ts';
import { showAnswer } from '../terminal/answer.ts';
import type { Attendant } from '../terminal/attendant.ts';
import { printable } from '../terminal/printable.ts';
import { resultAtEnd, resultLines } from '../terminal/rewind-result.ts';
import { createRenderer, type Renderer } from '../terminal/renderer.ts';

// How the stream of a run is named.
const ofRun = 'run/';

export interface Course {
  /** The run at work. */
  active(): string | undefined;
  /** The newest main run. */
  latest(): string | undefined;
  /** Told by the server before its stream says so. */
  expect(runId: string): void;
  /** Draws what comes after this event. */
  follow(conversationId: string, after: number): void;
  /** Shows where a conversation stands: its last turn, or all of the run at work. Follows it from there. */
  resume(conversationId: string): Promise<void>;
  note(text: string): void;
  close(): Promise<void>;
}

interface CourseInput {
  cli: Cli;
  signal: AbortSignal;
  /** Asks what the runs ask; draws the rest with this renderer. */
  attend(renderer: Renderer): Attendant;
  /** Another run is at work, or none. */
  onChange(): void;
}

export function createCourse({ cli, signal, attend, onChange }: CourseInput): Course {
  const { output } = cli;
  const renderers = new Map<string, Renderer>();
  const own = createRenderer(output);
  // Main runs that have not ended, in the order of their turns.
  const open = new Set<string>();
  const ended = new Set<string>();
  let latest: string | undefined;
  let following: Promise<void> = Promise.resolve();
  const attendant = attend({
    render: (event) => renderers.get(event.stream)?.render(event),
    // The renderer that is in the middle of a line knows how to end it.
    note: (text) => (renderers.get(`${ofRun}${active()}`) ?? own).note(text),
  });

  const active = (): string | undefined => open.values().next().value;

  function begin(runId: string): void {
    if (ended.has(runId)) return;
    const stream = `${ofRun}${runId}`;
    if (!renderers.has(stream)) renderers.set(stream, createRenderer(output));
    if (open.size === 0) latest = runId;
    open.add(runId);
    onChange();
  }

  async function take(event: Event): Promise<void> {
    const runId = event.stream.slice(ofRun.length);
    // The stream of something else begins with no such event.
    if (event.type === 'run-queued' && (await cli.client().run(runId)).kind === 'main') begin(runId);
    // Of a subagent, of a run beside the chain, or of one that ended before this chat began.
    if (!renderers.has(event.stream)) return;
    if (event.type === 'run-ready') latest = runId;
    attendant.render(event);
    await output.room();
    if (event.type !== 'run-end') return;
    open.delete(runId);
    ended.add(runId);
    onChange();
    // The next message need not wait for it.
    void resultAtEnd(cli.client(), runId, event.payload, signal).then((result) => {
      if (result && !signal.aborted) resultLines(result).forEach(attendant.note);
    });
  }

  function follow(conversationId: string, after: number): void {
    following = followOn(cli.client(), conversationId, {
      ...{ after, signal, take },
      note: attendant.note,
    }).catch((error: unknown) => {
      if (!signal.aborted) attendant.note(`this chat cannot be followed any more: ${String(error)}`);
    });
  }

  return {
    active,
    latest: () => latest,
    expect(runId) {
      // Behind the one at work, or that one itself: the stream says so.
      if (open.size === 0) begin(runId);
    },
    follow,
    async resume(conversationId) {
      const client = cli.client();
      const { activeRun, latestRun, lastEvent, title } = await client.conversation(conversationId);
      output.line(output.colors.bold(printable(title)));
      latest = latestRun?.id;
      if (activeRun === null) {
        const [turn] = (await client.turns(conversationId, { limit: 1 })).items;
        if (turn) output.line(printable(`› ${turn.prompt}`));
        if (turn?.answer != null) showAnswer(output, turn.answer);
        return follow(conversationId, lastEvent);
      }
      output.line(printable(`› ${activeRun.prompt}`));
      const [first] = (await client.runEvents(activeRun.id, { limit: 1, kept: true })).items;
      begin(activeRun.id);
      follow(conversationId, (first?.conversationSeq ?? lastEvent + 1) - 1);
    },
    note: (text) => attendant.note(text),
    async close() {
      await attendant.close();
      await following;
    },
  };
}

interface FollowOn {
  after: number;
  signal: AbortSignal;
  take(event: Event): Promise<void>;
  note(text: string): void;
}

/** Never ends by itself: a person waits for a server longer than a script does. */
async function followOn(client: Client, conversationId: string, how: FollowOn): Promise<void> {
  let { after } = how;
  for (;;) {
    const events = client.watchConversation(conversationId, {
      after,
      signal: how.signal,
      onLost: () => how.note('the server does not answer; this goes on by itself as soon as it does'),
      onBack: () => how.note('the server is back'),
    });
    try {
      for await (const event of events) {
        await how.take(event);
        after = event.conversationSeq ?? after;
      }
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
    }
  }
}
