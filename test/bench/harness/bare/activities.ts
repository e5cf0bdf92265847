// The floor's activities: they call the same model through the same adapter and run the same tools, and keep nothing.
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Context } from '@temporalio/activity';
import { createLlms, findLlm } from '../../../../activities/llm/index.ts';
import type { LlmMessage } from '../../../../activities/llm/llm.ts';
import { openMount } from '../../../../activities/sandbox/mount/mount.ts';
import { createBackground } from '../../../../activities/tools/background.ts';
import { publicEgress } from '../../../../activities/egress/egress.ts';
import { createTools, toToolSpec } from '../../../../activities/tools/index.ts';

// As often as the product's activities do; shorter activities end before their first heartbeat.
const heartbeatMs = 3000;

const now = (): number => performance.timeOrigin + performance.now();

export interface BareActivities {
  callModel(input: { step: number }): Promise<{ startedAt: number; firstTokenAt: number }>;
  runTool(input: { name: string; input: unknown }): Promise<void>;
}

export function bareActivities(compatibleBaseUrl: string): BareActivities {
  const llm = findLlm(createLlms({ compatibleBaseUrl }), 'compatible/fake')?.llm;
  if (!llm) throw new Error('The compatible provider is not there.');
  const background = createBackground();
  const tools = createTools({ background, egress: publicEgress });
  const specs = tools.map(toToolSpec);
  const sandbox = mkdtemp(path.join(tmpdir(), 'perdure-bare-')).then((root) =>
    openMount({ root, gitBounds: async () => ({}) }),
  );
  return {
    async callModel({ step }) {
      const startedAt = now();
      let firstTokenAt = 0;
      const messages: LlmMessage[] = [{ role: 'user', text: 'Do the work.' }];
      for (let done = 0; done < step; done += 1) {
        const id = `call_${done}`;
        messages.push({
          role: 'assistant',
          text: 'Calling.',
          calls: [{ id, name: 'todo', input: '{"items":[]}' }],
        });
        messages.push({ role: 'tool', callId: id, name: 'todo', text: 'ok', failed: false });
      }
      const request = {
        model: 'fake',
        messages,
        tools: specs,
        maxOutputTokens: 32_000,
        runId: 'bare',
        step: step + 1,
      };
      const context = Context.current();
      const beat = setInterval(() => context.heartbeat(), heartbeatMs);
      try {
        for await (const part of llm.stream(request, context.cancellationSignal)) {
          if (part.type === 'text' && firstTokenAt === 0) firstTokenAt = now();
        }
      } finally {
        clearInterval(beat);
      }
      return { startedAt, firstTokenAt };
    },
    async runTool({ name, input }) {
      const tool = tools.find((candidate) => candidate.name === name);
      await tool?.run(tool.input.parse(input), {
        runId: 'bare',
        callId: '1.0',
        key: 'bare/1.0',
        sandbox: await (await sandbox).forCall(),
        signal: Context.current().cancellationSignal,
        output: () => undefined,
        recordHandle: async () => undefined,
        noteIntent: async () => undefined,
        wholeOutput: async () => undefined,
        peek: async () => undefined,
        skill: async () => undefined,
        memory: { keep: async () => ({ id: '' }), forget: async () => false, find: async () => [] },
      });
    },
  };
}
