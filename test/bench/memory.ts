// Memory, twice. First of the product: the PSS of each of its processes at rest, after 200 runs and after 1,000, and how
// much of it is V8's heap. Then what the Temporal server keeps of workflows that have ended (I14): thousands of short ones
// straight through its API, without workers of ours, on a server started as the product starts it. One activity each, as a
// run of one step has; the figure is the growth of resident memory per thousand after the first thousand.
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time.js';
import proto from '@temporalio/proto';
import { startTemporal } from '../../worker/supervisor/temporal/temporal-server.ts';
import { report } from './harness/pairs.ts';
import { startProduct } from './harness/product.ts';
import { countsShares, heapProbes, type Resident, residentOf } from './harness/resident.ts';

const workflows = 5000;
const warmUp = 1000;
const atOnce = 20;
const pollers = 12;
// Long polls of the server end after a minute.
const pollMs = 70_000;
// The target is the floor of I14. A heap that has just been collected or not makes ten megabytes of difference, hence
// the minimum. Measured in MB at 0, 1,000, 2,000 … workflows, and 20 s after the last:
//   as delivered (8,096 workflows cached)     155 275 305 350 361 422, 422   37 per thousand
//   500 cached                                156 262 274 292 299,     299   12
//   500 cached, GOMEMLIMIT=200MiB             156 259 273 282 297,     292   13
//   50 cached                                 155 259 265 274,         274    8
//   50 cached, GOGC=50                        154 227 236 244,         244    9
//   256 cached, no cache for other clusters   128 226 232 231 235 235, 222   -1
// A heap profile named that last cache (8 MB when full); what lives on the heap is 28 MB, and half of the resident
// memory is the program itself. So no limit of Go's is set: it would only make the collector work more.
const mostMegabytes = { target: 1, mustReach: 4 };

// MB of all processes together. A page of a program counts in parts when another platform on the machine shares it.
const mostOfAll = {
  idle: { target: 450, mustReach: 700 },
  after200: { target: 550, mustReach: 800 },
};
// MB that the worker may grow from the 200th run to the 1,000th.
const mostGrowth = { target: 5, mustReach: 25 };
// A quiet process gives its garbage back within two looks of five seconds; some more time, because the first look may
// come while the last runs end.
const restMs = 20_000;

const { CommandType } = proto.temporal.api.enums.v1;
const namespace = 'perdure';
const taskQueue = { name: 'wf' };
const identity = 'bench';

const product = countsShares() ? await measureProduct() : undefined;
if (product === undefined) process.stderr.write('  memory: only Linux says what each process uses\n');
const folder = await mkdtemp(path.join(tmpdir(), 'perdure-bench-'));
const server = await startTemporal({ folder, port: 0, ui: 'off', logFile: path.join(folder, 'log') });
const connection = await Connection.connect({ address: server.address });
const { workflowService } = connection;
const waiting = new Map<string, () => void>();
let stopped = false;

async function measureProduct(): Promise<Record<'idle' | 'after200' | 'after1000', Resident[]>> {
  const probes = await heapProbes();
  await using measured = await startProduct(
    { pieces: 20, pauseMs: 0, toolSteps: 0, calls: [] },
    probes.environment,
  );
  const runs = async (count: number): Promise<void> => {
    let left = count;
    const one = async (): Promise<void> => {
      while ((left -= 1) >= 0) {
        const id = await measured.startRun();
        await measured.read(`/runs/${id}/stream`, ({ type }) => type === 'run-end');
      }
    };
    await Promise.all(Array.from({ length: 8 }, one));
  };
  const atRest = async (name: string): Promise<Resident[]> => {
    await sleep(restMs);
    const found = await residentOf(measured.pids(), probes.folder);
    for (const { name: role, pss, own, heap } of found) {
      const parts = `${Math.round(own)} its own${heap === undefined ? '' : `, ${Math.round(heap)} of it V8's heap`}`;
      process.stderr.write(`  ${name}: ${role} ${Math.round(pss)} MB, ${parts}\n`);
    }
    return found;
  };
  const idle = await atRest('idle');
  await runs(200);
  const after200 = await atRest('after 200 runs');
  await runs(800);
  const after1000 = await atRest('after 1,000 runs');
  await rm(probes.folder, { recursive: true });
  return { idle, after200, after1000 };
}

function checksOf({ idle, after200, after1000 }: NonNullable<typeof product>) {
  const all = (found: Resident[]): number => found.reduce((sum, { pss }) => sum + pss, 0);
  const worker = (found: Resident[]): number =>
    found.find(({ name }) => name === 'worker')?.own ?? Number.NaN;
  const check = { higherIsBetter: false };
  return [
    { what: 'MB of all processes at rest', value: all(idle), ...mostOfAll.idle, ...check },
    { what: 'MB of all processes after 200 runs', value: all(after200), ...mostOfAll.after200, ...check },
    {
      what: 'MB by which the worker grew from 200 to 1,000 runs',
      value: worker(after1000) - worker(after200),
      ...mostGrowth,
      ...check,
    },
  ];
}

function payloads(size: number): proto.temporal.api.common.v1.IPayloads {
  const data = Buffer.from(JSON.stringify('x'.repeat(size)));
  return { payloads: [{ metadata: { encoding: Buffer.from('json/plain') }, data }] };
}

function residentMegabytes(): number {
  const [, kilobytes] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8')) ?? [];
  return Number(kilobytes) / 1024;
}

async function poll(once: () => Promise<void>): Promise<void> {
  while (!stopped) {
    await connection
      .withDeadline(Date.now() + pollMs, once)
      .catch((error: unknown) => (stopped ? undefined : Promise.reject(error)));
  }
}

const schedule = {
  commandType: CommandType.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK,
  scheduleActivityTaskCommandAttributes: {
    ...{ activityId: '1', activityType: { name: 'callModel' }, taskQueue, input: payloads(300) },
    ...{ scheduleToCloseTimeout: msToTs('60s'), startToCloseTimeout: msToTs('30s') },
  },
};
const complete = {
  commandType: CommandType.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION,
  completeWorkflowExecutionCommandAttributes: { result: payloads(200) },
};

async function decide(): Promise<void> {
  const task = await workflowService.pollWorkflowTaskQueue({ namespace, taskQueue, identity });
  if (task.taskToken.length === 0) return;
  const done = task.history?.events?.some((event) => event.activityTaskCompletedEventAttributes) ?? false;
  const { taskToken } = task;
  const commands = [done ? complete : schedule];
  await workflowService.respondWorkflowTaskCompleted({ taskToken, commands, identity, namespace });
  if (done) waiting.get(task.workflowExecution?.workflowId ?? '')?.();
}

async function act(): Promise<void> {
  const { taskToken } = await workflowService.pollActivityTaskQueue({ namespace, taskQueue, identity });
  if (taskToken.length === 0) return;
  await workflowService.respondActivityTaskCompleted({
    taskToken,
    result: payloads(300),
    identity,
    namespace,
  });
}

async function run(workflowId: string): Promise<void> {
  const ended = new Promise<void>((resolve) => waiting.set(workflowId, resolve));
  await workflowService.startWorkflowExecution({
    ...{ namespace, workflowId, workflowType: { name: 'agentRun' }, taskQueue, identity },
    ...{ input: payloads(250), requestId: workflowId, workflowTaskTimeout: msToTs('4s') },
  });
  await ended;
  waiting.delete(workflowId);
}

try {
  const polling = Array.from({ length: pollers }, () => [poll(decide), poll(act)]).flat();
  const megabytes: Record<number, number> = { 0: Math.round(residentMegabytes()) };
  let [started, finished] = [0, 0];
  const drive = async (): Promise<void> => {
    while (started < workflows) {
      await run(`run/${String((started += 1)).padStart(8, '0')}`);
      finished += 1;
      if (finished % 500 !== 0) continue;
      megabytes[finished] = Math.round(residentMegabytes());
      process.stderr.write(`  ${finished} workflows: ${megabytes[finished]} MB\n`);
    }
  };
  await Promise.race([Promise.all(Array.from({ length: atOnce }, drive)), Promise.all(polling)]);
  stopped = true;
  // What has become free goes back to the system.
  await sleep(20_000);
  const last = residentMegabytes();
  const growth = (last - (megabytes[warmUp] ?? 0)) / ((workflows - warmUp) / 1000);
  report({
    name: 'memory',
    checks: [
      ...(product === undefined ? [] : checksOf(product)),
      {
        what: 'MB of the Temporal server per 1,000 workflows that have ended',
        value: growth,
        ...mostMegabytes,
        higherIsBetter: false,
      },
    ],
    figures: { ...product, workflows, megabytes, last: Math.round(last) },
  });
} finally {
  stopped = true;
  // Before its server: a call that is being tried again when it closes would throw where nothing catches it.
  await connection.close();
  await server.stop();
  await rm(folder, { recursive: true });
}
process.exit();
