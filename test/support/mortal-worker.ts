// A worker process that kills itself at a chosen point of its work: `node mortal-worker.ts POINT`. The points are
// wrapped around what the product's own worker is given; nothing in the product knows of them.
import { existsSync } from 'node:fs';
import { ApplicationFailure } from '@temporalio/common';
import pino from 'pino';
import type { ActivityDeps } from '../../activities/deps.ts';
import type { EventLog } from '../../activities/store/log/events.ts';
import type { Tool } from '../../activities/tools/tool.ts';
import type { Activities } from '../../workflows/contracts/activities.ts';
import { loadConfig } from '../../worker/config/config.ts';
import type { RoleConfig } from '../../worker/processes/deps.ts';
import { readyFile } from '../../worker/data-folder.ts';
import { writeFileWhole } from '../../worker/write-file-whole.ts';
import { prepareWorker } from '../../worker/processes/worker-process.ts';

export const points = [
  'never',
  /** Temporal has given the first model call to this worker, nothing is written. */
  'before-begin',
  /** The run is marked as running, Temporal does not know. */
  'begun',
  /** Some words of the answer have been streamed. */
  'mid-stream',
  /** Some words of a summary of the conversation have come. */
  'mid-summary',
  /** The summary is stored, Temporal does not know. */
  'summed-up',
  /** The answer is stored, Temporal does not know. */
  'answer-stored',
  /** Temporal has this worker look at what people have answered, nothing is read. */
  'before-look',
  /** It has seen that there is no answer yet, Temporal does not know. */
  'looked',
  /** It has read the answer and noted that it was told, Temporal does not know. */
  'answer-read',
  /** Temporal has given the call to this worker, nothing is written. */
  'before-claim',
  /** The call is claimed, nothing has been done. */
  'claimed',
  /** The tool has said its first words. */
  'mid-tool',
  /** The tool has acted, its result is not stored. */
  'acted',
  /** The result is stored, Temporal does not know. */
  'result-stored',
  /** The run has ended in Postgres, Temporal does not know. */
  'finish-stored',
  /** What was due is in the ledger and its run accepted, Temporal does not know. */
  'attended',
  /** The event loop stands still for longer than any heartbeat, then goes on. */
  'frozen-loop',
] as const;
export type Point = (typeof points)[number];

// Longer than the heartbeat timeout of 30 s, by enough for a server that looks every second or so.
const standstillMs = 36_000;

function die(): void {
  process.kill(process.pid, 'SIGKILL');
}

// While this file is there it lasts longer: what the others do meanwhile takes as long as their machine needs.
const standstillFile = process.env['STANDSTILL_FILE'] ?? '';

let stoodStill = false;
function standStill(): void {
  // Only once: work begun before the standstill must be able to end after it.
  if (stoodStill) return;
  stoodStill = true;
  // Not a loop: a neighbour's test needs the processor meanwhile.
  const wait = (ms: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
  wait(standstillMs);
  while (existsSync(standstillFile)) wait(100);
}

function changedDeps(deps: ActivityDeps, point: Point): ActivityDeps {
  switch (point) {
    case 'mid-stream':
      return { ...deps, llms: deps.llms.map((llm) => ({ ...llm, stream: dyingStream(llm.stream) })) };
    case 'mid-summary':
      return {
        ...deps,
        llms: deps.llms.map((llm) => {
          const dying = dyingStream(llm.stream);
          return {
            ...llm,
            stream: (request, signal) => (request.sumsUp ? dying : llm.stream)(request, signal),
          };
        }),
      };
    case 'claimed':
      return { ...deps, openSandbox: async () => die() as never };
    case 'mid-tool':
      return { ...deps, log: actingOnOutput(deps.log, die) };
    case 'frozen-loop':
      return { ...deps, log: actingOnOutput(deps.log, standStill) };
    case 'acted':
      return { ...deps, tools: deps.tools.map(dyingAfter) };
    default:
      return deps;
  }
}

type Stream = ActivityDeps['llms'][number]['stream'];

function dyingStream(stream: Stream): Stream {
  return async function* dying(request, signal) {
    let parts = 0;
    for await (const part of stream(request, signal)) {
      yield part;
      parts += 1;
      if (parts < 3) continue;
      // Long enough for the words before to be in the log. However late this process has its turn, no more come.
      setTimeout(die, 200);
      await new Promise(() => undefined);
    }
  };
}

/** Once what a tool said has been stored. */
function actingOnOutput(log: EventLog, act: () => void): EventLog {
  return {
    ...log,
    async append(batch) {
      const seq = await log.append(batch);
      if (batch.events.some(({ type }) => type === 'call-delta')) act();
      return seq;
    },
  };
}

function dyingAfter(tool: Tool): Tool {
  return {
    ...tool,
    async run(input, context) {
      const result = await tool.run(input, context);
      die();
      return result;
    },
  };
}

function changedActivities(activities: Activities, point: Point): Activities {
  const after = <Input, Result>(
    activity: (input: Input) => Promise<Result>,
    dies: (result: Result) => boolean = () => true,
  ) => {
    return async (input: Input): Promise<Result> => {
      const result = await activity(input);
      if (dies(result)) die();
      return result;
    };
  };
  switch (point) {
    case 'begun':
      return { ...activities, beginRun: after(activities.beginRun) };
    case 'before-begin':
      return { ...activities, callModel: async () => die() as never };
    case 'answer-stored':
      return { ...activities, callModel: after(activities.callModel) };
    case 'summed-up':
      return {
        ...activities,
        callModel: (input) =>
          activities.callModel(input).catch((error: unknown) => {
            if (error instanceof ApplicationFailure && error.type === 'ModelContextTooLong') die();
            throw error;
          }),
      };
    case 'before-look':
      return { ...activities, pendingInput: async () => die() as never };
    case 'looked':
      return { ...activities, pendingInput: after(activities.pendingInput, ({ open }) => open > 0) };
    case 'answer-read':
      return {
        ...activities,
        pendingInput: after(activities.pendingInput, ({ answered }) => answered.length > 0),
      };
    case 'before-claim':
      return { ...activities, runTool: async () => die() as never };
    case 'result-stored':
      return { ...activities, runTool: after(activities.runTool) };
    case 'attended':
      return { ...activities, attendSchedule: after(activities.attendSchedule) };
    case 'finish-stored':
      return { ...activities, finishRun: after(activities.finishRun) };
    default:
      return activities;
  }
}

const point = process.argv[2] as Point;
const config = loadConfig() as RoleConfig;
const logger = pino({ level: 'info' }, pino.destination({ dest: 1, sync: true }));
const prepared = await prepareWorker(config, logger, {
  deps: (deps) => changedDeps(deps, point),
  activities: (activities) => changedActivities(activities, point),
});
const worker = await prepared.activate();
writeFileWhole(readyFile(config.dataFolder, 'worker'), String(process.pid));
process.once('SIGTERM', () => worker.stop());
await worker.running;
process.exit(0);
