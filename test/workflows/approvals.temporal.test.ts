import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { ScenarioStep } from '../../activities/llm/scenario.ts';
import { openApprovals } from '../../activities/store/approvals/approval-lists.ts';
import { type ApprovalAnswer, answerApproval } from '../../activities/store/approvals/approvals.ts';
import type { ExternalTool } from '../../workflows/contracts/external-tool.ts';
import type { RunRow } from '../../activities/store/runs/runs.ts';
import { type Kernel, withKernel } from '../support/kernel.ts';
import { answer } from '../support/answer.ts';
import { story } from '../support/story.ts';
import { anAttempt, lockedRun } from '../support/store.ts';

const asking = { policy: 'ask-everything', attended: true };
const note = (file: string) => ({ tool: 'write', input: { path: file, content: 'written\n' } });

async function answerCall(kernel: Kernel, run: RunRow, callId: string, given: Partial<ApprovalAnswer> = {}) {
  const open = await openApprovals(kernel.store.database.db, run);
  return answer(kernel, run, open.find(({ call_id }) => call_id === callId)?.id ?? '', given);
}

const asked = (kernel: Kernel, run: RunRow, callId: string) =>
  kernel.seen(run, 'approval-request', (payload: { callId: string }) => payload.callId === callId);

/** What is to happen to the open question of a run is due in a second. */
async function comes(kernel: Kernel, run: RunRow, what: 'escalate_at' | 'deadline_at'): Promise<void> {
  await kernel.store.database.pool.query(
    `update approvals set ${what} = now() + interval '1 second' where run_id = $1 and status = 'open'`,
    [run.id],
  );
  await kernel.wake(run);
}

withKernel(
  (kernel) => {
    test('calls of one step each wait for their own answer, in their order; what is allowed is made once, what is denied is not', async () => {
      await kernel.startWorkers();
      const projectPath = await kernel.project();
      const model = await kernel.script(
        { calls: [note('a.txt'), note('b.txt'), note('c.txt')] },
        { text: 'I see.' },
      );
      const run = await kernel.start({ ...asking, model, projectPath });
      await asked(kernel, run, '1.2');
      expect((await kernel.store.run(run.id)).status).toBe('awaiting_input');
      await answerCall(kernel, run, '1.1', { status: 'denied', note: 'Not b.' });
      await answerCall(kernel, run, '1.2');
      expect((await kernel.store.run(run.id)).status, 'one is open still').toBe('awaiting_input');
      expect(
        await story(kernel, run),
        'what waits for its answer holds the write after it',
      ).not.toContainEqual(expect.stringMatching(/^call-start/));
      await answerCall(kernel, run, '1.0');
      expect(await kernel.ended(run)).toMatchObject({ status: 'succeeded', steps: 2 });
      expect(await readFile(path.join(projectPath, 'a.txt'), 'utf8')).toBe('written\n');
      expect(await readFile(path.join(projectPath, 'c.txt'), 'utf8')).toBe('written\n');
      await expect(readFile(path.join(projectPath, 'b.txt'))).rejects.toThrow('ENOENT');
      expect((await story(kernel, run)).filter((line) => line.startsWith('call-end'))).toEqual([
        'call-end 1.1 denied',
        'call-end 1.0 succeeded',
        'call-end 1.2 succeeded',
      ]);
    });

    test('a question about a call that is not made, since one before it left in doubt what it did, is withdrawn', async () => {
      await kernel.startWorkers({
        activities: (activities) => ({
          async runTool(input) {
            if (input.callId !== '1.0') return activities.runTool(input);
            const attempt = anAttempt({ id: input.runId }, 'call/1.0');
            await kernel.store.claim(attempt);
            await kernel.store.record(attempt, { status: 'unknown', failed: true });
            return { status: 'unknown', bytes: 4 };
          },
        }),
      });
      const projectPath = await kernel.project();
      const model = await kernel.script({ calls: [note('a.txt'), note('b.txt')] }, { text: '{{result:1}}' });
      const run = await kernel.start({ ...asking, model, projectPath });
      await asked(kernel, run, '1.1');
      await answerCall(kernel, run, '1.0');
      expect(await kernel.ended(run)).toMatchObject({
        status: 'succeeded',
        awaiting_since: null,
        final_message: expect.stringMatching(
          /^Not made, because call 1\.0 before it has an unknown outcome\./,
        ),
      });
      expect((await story(kernel, run)).filter((line) => /approval|call-/.test(line))).toEqual([
        ...Array(2).fill(expect.stringContaining('approval-request')),
        expect.stringContaining('approval-response'),
        'call-start 1.0',
        'call-end 1.0 unknown',
        expect.stringContaining('approval-response'),
        'call-end 1.1 stopped',
      ]);
    });

    test('an answer that came while no worker and no wake was there is found when one is', async () => {
      await kernel.startWorkers();
      const projectPath = await kernel.project();
      const model = await kernel.script({ calls: [note('a.txt')] }, { text: 'Done.' });
      const run = await kernel.start({ ...asking, model, projectPath });
      await asked(kernel, run, '1.0');
      await kernel.stopWorkers();
      const approval = (await openApprovals(kernel.store.database.db, run))[0];
      await kernel.store.log.write('test', async (write) =>
        answerApproval(write, await lockedRun(write, run.id), approval?.id ?? '', {
          status: 'approved',
          by: 'ada',
        }),
      );
      await kernel.startWorkers();
      await kernel.wake(run);
      expect(await kernel.ended(run)).toMatchObject({ status: 'succeeded', steps: 2 });
      expect(await readFile(path.join(projectPath, 'a.txt'), 'utf8')).toBe('written\n');
    });

    test('nobody answers: people are reminded, and then the answer is no', async () => {
      await kernel.startWorkers({ deps: (deps) => ({ ...deps, approvalSeconds: 600 }) });
      const model = await kernel.script({ calls: [note('a.txt')] }, { text: 'Nobody is there.' });
      const run = await kernel.start({ ...asking, model });
      await asked(kernel, run, '1.0');
      const [open] = await openApprovals(kernel.store.database.db, run);
      expect(Number(open?.deadline_at) - Number(open?.escalate_at)).toBe(300_000);
      // One after the other: a machine that stands still would pass both at once, and tell of the second alone.
      await comes(kernel, run, 'escalate_at');
      await kernel.seen(run, 'approval-escalation');
      await comes(kernel, run, 'deadline_at');
      expect(await kernel.ended(run)).toMatchObject({ status: 'succeeded', steps: 2 });
      expect((await story(kernel, run)).filter((line) => /approval|call-end/.test(line))).toEqual([
        expect.stringContaining('approval-request'),
        expect.stringContaining('approval-escalation'),
        expect.stringContaining('approval-response'),
        'call-end 1.0 denied',
      ]);
    });

    test('while a run waits for people its clock stands still', async () => {
      await kernel.startWorkers();
      // Before and after it waits the machine may stand still for longer than the run needs.
      const limits = { steps: 10, seconds: 12, costMicros: 1_000_000, tokens: 1_000_000 };
      const model = await kernel.script({ calls: [note('a.txt')] }, { text: 'In time.' });
      const run = await kernel.start({ ...asking, model, limits });
      await asked(kernel, run, '1.0');
      await sleep(13_000);
      await answerCall(kernel, run, '1.0');
      expect(await kernel.ended(run)).toMatchObject({ status: 'succeeded', final_message: 'In time.' });
    });

    test.each(['interrupt', 'cancel'] as const)(
      'a run that waits for people hears of an %s',
      async (kind) => {
        await kernel.startWorkers();
        const model = await kernel.script({ calls: [note('a.txt')] }, { text: 'Never.' });
        const run = await kernel.start({ ...asking, model });
        await asked(kernel, run, '1.0');
        await kernel.stop(run, kind);
        expect((await kernel.ended(run)).status).toBe(`${kind === 'cancel' ? 'cancelled' : 'interrupted'}`);
        expect(await openApprovals(kernel.store.database.db, run)).toEqual([]);
        expect(await story(kernel, run)).toContainEqual(expect.stringMatching(/^call-end 1.0 stopped/));
      },
    );

    test('a question is answered with words, and in a run that nobody attends with a sentence', async () => {
      await kernel.startWorkers();
      const calls = [{ tool: 'ask-person', input: { question: 'Which one?', choices: ['red', 'blue'] } }];
      const model = await kernel.script({ calls }, { text: 'Then {{result:0}}.' });
      const run = await kernel.start({ model, attended: true });
      expect((await asked(kernel, run, '1.0')).payload).toMatchObject({
        kind: 'question',
        text: 'Which one?',
        choices: ['red', 'blue'],
      });
      const result = { status: 'succeeded' as const, output: 'the blue one', failed: false };
      await answerCall(kernel, run, '1.0', { result });
      expect((await kernel.ended(run)).final_message).toBe('Then the blue one.');
      const alone = await kernel.start({ model });
      expect((await kernel.ended(alone)).final_message).toMatch(/^Then Nobody is there to answer\./);
    });

    test('tools of the caller wait for the caller, beside ours, and arguments that do not fit come back', async () => {
      await kernel.startWorkers();
      const weather: ExternalTool = {
        name: 'weather',
        description: 'Tells the weather.',
        inputSchema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
      };
      const calls: ScenarioStep['calls'] = [
        { tool: 'weather', input: { city: 'Bern' } },
        { tool: 'weather', input: { town: 'Bern' } },
        { tool: 'list', input: { path: '.' } },
      ];
      const model = await kernel.script({ calls }, { text: '{{result:0}} / {{result:1}}' });
      const run = await kernel.start({ model, externalTools: [weather] });
      await asked(kernel, run, '1.0');
      await kernel.seen(run, 'call-end', (payload: { callId: string }) => payload.callId === '1.2');
      const result = { status: 'succeeded' as const, output: 'Snow', failed: false };
      await answerCall(kernel, run, '1.0', { result });
      expect((await kernel.ended(run)).final_message).toMatch(
        /^Snow \/ The arguments do not fit weather: city: /,
      );
    });

    test('a run that is told something else instead goes on with that', async () => {
      await kernel.startWorkers();
      const projectPath = await kernel.project();
      const model = await kernel.script({ calls: [note('a.txt')] }, { text: 'Then not.' });
      const run = await kernel.start({ ...asking, model, projectPath });
      await asked(kernel, run, '1.0');
      await kernel.store.accept({ conversationId: run.conversation_id, prompt: 'Leave it.' });
      await kernel.wake(run);
      expect(await kernel.ended(run)).toMatchObject({
        status: 'succeeded',
        steps: 2,
        final_message: 'Then not.',
      });
      await rm(projectPath, { recursive: true });
    });
  },
  { idle: true },
);
