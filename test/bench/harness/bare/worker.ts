// A process with the floor's workers, set up like the product's: the same slots, the same queues, no compression.
// Usage: worker.ts ADDRESS NAMESPACE MODEL-URL MODEL-SLOTS; says "ready" when it polls.
import path from 'node:path';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { bareActivities } from './activities.ts';

const [address = '', namespace = '', modelUrl = '', llmSlots = '16'] = process.argv.slice(2);
// Its messages about its own start and end are of no use here.
Runtime.install({ logger: new DefaultLogger('ERROR') });
const connection = await NativeConnection.connect({ address, grpcCompression: { codec: 'none' } });
// A cancellation by way of Temporal is seen at a heartbeat that really goes out.
const heartbeats = {
  maxHeartbeatThrottleInterval: '3 seconds',
  defaultHeartbeatThrottleInterval: '3 seconds',
} as const;
const { callModel, runTool } = bareActivities(modelUrl);
const workers = await Promise.all([
  Worker.create({
    connection,
    namespace,
    taskQueue: 'wf',
    workflowsPath: path.join(import.meta.dirname, 'workflows.ts'),
    maxConcurrentWorkflowTaskExecutions: 8,
  }),
  Worker.create({
    connection,
    namespace,
    taskQueue: 'llm',
    ...heartbeats,
    activities: { callModel },
    maxConcurrentActivityTaskExecutions: Number(llmSlots),
  }),
  Worker.create({
    connection,
    namespace,
    taskQueue: 'tools',
    activities: { runTool },
    maxConcurrentActivityTaskExecutions: 4,
  }),
]);
process.on('SIGTERM', () => {
  for (const worker of workers) worker.shutdown();
});
const running = Promise.all(workers.map((worker) => worker.run()));
process.stdout.write('ready\n');
await running;
await connection.close();
