// Whether this process lives, and whether what it depends on does. It needs no token and tells no content.
import { performance } from 'node:perf_hooks';
import { countBeating } from '../../activities/store/runs/executors.ts';
import { HealthView, ReadyView } from '../../workflows/contracts/system.ts';
import type { Routes } from '../parts.ts';
import { problems } from './problems.ts';

// A caller waits for the slowest answer; a balancer's own limit is rarely under five seconds.
const probeMs = 2_000;
// Three missed beats of a worker.
const beatingMs = 15_000;

const upExample = { state: 'up', latencyMs: 0.8, problem: null };
const diskExample = {
  ...upExample,
  room: {
    folder: '/home/me/.perdure',
    freeBytes: 77_309_411_328,
    minFreeBytes: 268_435_456,
    entriesLeft: true,
  },
};

export const healthRoutes: Routes = (api, parts) => {
  api.get(
    '/health',
    {
      config: { example: { answer: { status: 'ok', version: '0.1.0' } } },
      schema: {
        tags: ['system'],
        operationId: 'getHealth',
        summary: 'This process is there',
        description: 'Always 200 while this process answers; GET /health/ready asks what it depends on.',
        security: [],
        response: { 200: HealthView, ...problems },
      },
    },
    async () => ({ status: 'ok' as const, version: parts.version }),
  );

  api.get(
    '/health/ready',
    {
      config: {
        example: {
          answer: {
            status: 'ready',
            postgres: upExample,
            temporal: upExample,
            workers: upExample,
            disk: diskExample,
          },
        },
      },
      schema: {
        tags: ['system'],
        operationId: 'getReadiness',
        summary: 'Each dependency with its state and how long it took to answer',
        description: '503 when one of them is down; the body says which.',
        security: [],
        response: { 200: ReadyView, 503: ReadyView, ...problems },
      },
    },
    async (_request, reply) => {
      const room = parts.diskRoom() ?? null;
      const { bucketHealth } = parts;
      const [postgres, temporal, workers, disk, bucket] = await Promise.all([
        probe(async () => void (await parts.pool.query('select 1')), parts.redact),
        probe(() => parts.temporalHealth(), parts.redact),
        probe(async () => {
          if ((await countBeating(parts.db, beatingMs)) === 0) throw new Error('no worker is alive');
        }, parts.redact),
        probe(async () => {
          const problem = parts.diskProblem();
          if (problem !== undefined) throw new Error(problem);
        }, parts.redact),
        bucketHealth && probe(bucketHealth, parts.redact),
      ]);
      const up = [postgres, temporal, workers, disk, bucket].every(
        (one) => one === undefined || one.state === 'up',
      );
      const status = up ? 'ready' : 'degraded';
      const view: ReadyView = {
        status,
        postgres,
        temporal,
        workers,
        disk: { ...disk, room },
        ...(bucket && { bucket }),
      };
      return reply.code(up ? 200 : 503).send(view);
    },
  );
};

async function probe(
  ask: () => Promise<void>,
  redact: (text: string) => string,
): Promise<ReadyView['postgres']> {
  const began = performance.now();
  const latency = (): number => Math.round((performance.now() - began) * 10) / 10;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${probeMs / 1000} seconds`)), probeMs);
  });
  try {
    await Promise.race([ask(), late]);
    return { state: 'up', latencyMs: latency(), problem: null };
  } catch (error) {
    const problem = error instanceof Error && error.message !== '' ? error.message : String(error);
    return { state: 'down', latencyMs: latency(), problem: redact(problem) };
  } finally {
    clearTimeout(timer);
  }
}
