// Calls tools the way the worker does: real mount, real processes, input parsed by the tool's own schema.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import { createGitBounds } from '../../../activities/git/bounds.ts';
import { createMount } from '../../../activities/sandbox/mount/mount.ts';
import type { Handle } from '../../../activities/sandbox/sandbox.ts';
import { type Background, createBackground } from '../../../activities/tools/background.ts';
import { type Egress, publicEgress } from '../../../activities/egress/egress.ts';
import { createTools } from '../../../activities/tools/index.ts';
import type { Probe, Tool, ToolContext, ToolResult } from '../../../activities/tools/tool.ts';

interface Bench {
  project: string;
  background: Background;
  handles: Handle[];
  isAlive(handle: Handle): Promise<boolean>;
  live: string[];
  /** Outputs that were cut, by key. */
  wholes: Map<string, string>;
  tool(name: string): Tool;
  context(callId?: string, signal?: AbortSignal): ToolContext;
  call(name: string, input: unknown, context?: ToolContext): Promise<ToolResult>;
  /** What the call notes when its worker dies right after. */
  noted(name: string, input: unknown): Promise<Record<string, string>>;
  /** What the probe says before the call and after it; a call that notes nothing has done nothing. */
  probes(name: string, input: unknown): Promise<[Probe, Probe]>;
}

class Killed extends Error {}

/** `name` of the project, or a path of several names below a folder of its own. */
export async function openBench(egress: Egress = publicEgress, name = 'project'): Promise<Bench> {
  const folder = await realpath(mkdtempSync(path.join(tmpdir(), 'perdure-tools-')));
  const project = path.join(folder, name);
  mkdirSync(project, { recursive: true });
  const gitBounds = createGitBounds({ folder: path.join(folder, 'bounds') });
  const driver = createMount({ workFolder: folder, programs: process.env['PATH'] ?? '', gitBounds });
  const opened = await driver.open({ id: path.basename(folder), tenantId: 'tenant', projectPath: project });
  const sandbox = await opened.forCall();
  const handles: Handle[] = [];
  const handlesOf = async (ofRun: string, callId: string): Promise<Handle[]> =>
    handles.filter(({ call }) => call === `${ofRun}/${callId}`);
  const background = createBackground({ ...driver, handlesOf });
  onTestFinished(async () => {
    await background.close();
    await opened.close('ended');
    rmSync(folder, { recursive: true });
  });
  const tools = createTools({ background, egress });
  const live: string[] = [];
  const wholes = new Map<string, string>();
  const tool = (name: string): Tool => tools.find((each) => each.name === name) as Tool;
  // Unique over test files: the marks of processes are looked for on the whole machine.
  const runId = path.basename(folder);
  let calls = 0;
  const context = (callId = `1.${calls++}`, signal = new AbortController().signal): ToolContext => ({
    runId,
    callId,
    key: `${runId}/${callId}`,
    sandbox,
    signal,
    recordHandle: async (handle) => void handles.push(handle),
    noteIntent: async () => {},
    wholeOutput: async (key) => wholes.get(key),
    peek: async () => undefined,
    skill: async () => undefined,
    memory: { keep: async () => ({ id: '' }), forget: async () => false, find: async () => [] },
    output: (_from, text) => void live.push(text),
  });
  return {
    project,
    background,
    handles,
    isAlive: driver.isAlive,
    live,
    wholes,
    tool,
    context,
    call: (name, input, given = context()) => tool(name).run(tool(name).input.parse(input), given),
    async noted(name, input) {
      const { promise, resolve } = Promise.withResolvers<Record<string, string>>();
      const given = context();
      const noteIntent = async (intent: Record<string, string>): Promise<void> => {
        resolve(intent);
        throw new Killed();
      };
      await tool(name)
        .run(input, { ...given, noteIntent })
        .catch((error: unknown) => {
          if (!(error instanceof Killed)) throw error;
        });
      return promise;
    },
    async probes(name, input) {
      const { probe, run } = tool(name) as Required<Tool>;
      const given = context();
      let states: [Probe, () => Promise<Probe>] = ['not_done', async () => 'not_done'];
      const noteIntent = async (intent: Record<string, string>): Promise<void> => {
        states = [await probe(input, intent, given), () => probe(input, intent, given)];
      };
      await run(input, { ...given, noteIntent });
      return [states[0], await states[1]()];
    },
  };
}
