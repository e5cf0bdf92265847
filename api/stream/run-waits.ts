// Requests that wait for the end of a run. They follow its stream by the hub, as readers do, so that a wait costs no query
// while nothing happens; and each comes to an end: with the run, its time, its caller or this process.
import type { ServerResponse } from 'node:http';
import type { FastifyRequest } from 'fastify';
import type { Db } from '../../activities/store/db/database.ts';
import { findRun, type RunRow } from '../../activities/store/runs/runs.ts';
import { Failure, found } from '../../workflows/contracts/failures.ts';
import type { KnownTokens } from '../known-tokens.ts';
import type { Hub } from './hub.ts';
import { headOf, type Topic } from './topics.ts';

export interface RunWaits {
  /**
   * The run as it is when it has ended, when `seconds` are over, or when this server shuts down; `response` is the
   * caller's, who may go away before. Throws a Failure where there is no such run, where too many wait already, and
   * where the caller's token no longer counts.
   */
  end(request: FastifyRequest, response: ServerResponse, wanted: Wanted): Promise<RunRow>;
  /** Ends every wait: each caller hears what is known. */
  endAll(): void;
}

interface Wanted {
  runId: string;
  seconds: number;
}

// A wait holds a connection, its headers and a place in the hub: about 20 KB, so that these are 20 MB.
const mostWaits = 1_000;

export function createRunWaits({
  db,
  hub,
  tokens,
  most = mostWaits,
}: {
  db: Db;
  hub: Hub;
  tokens: Pick<KnownTokens, 'counts'>;
  most?: number;
}): RunWaits {
  const waits = new Set<() => void>();
  let closing = false;

  /** Resolves at the run's last event, or before, for the reasons above. */
  async function wait(tenantId: string, response: ServerResponse, { runId, seconds }: Wanted): Promise<void> {
    const topic: Topic = { kind: 'run', id: runId };
    const head = await headOf(db, tenantId, topic);
    if (head.ended || closing || response.destroyed) return;
    if (waits.size >= most)
      throw new Failure('TooManyWaits', `${most} requests wait here already; try again in a moment.`);
    const over = Promise.withResolvers<void>();
    const end = over.resolve;
    waits.add(end);
    const followed = hub.follow(topic, head, { grown: ({ final }) => final && end(), skipped: end });
    const timer = setTimeout(end, seconds * 1_000);
    response.once('close', end);
    try {
      // Another reader of the run was told more before this one came: maybe its end.
      if (followed.position() > head.seq && (await headOf(db, tenantId, topic)).ended) return;
      await over.promise;
    } finally {
      response.off('close', end);
      clearTimeout(timer);
      followed.leave();
      waits.delete(end);
    }
  }

  return {
    async end({ caller: { tenantId }, tokenId }, response, wanted) {
      await wait(tenantId, response, wanted);
      // As with a stream: a token that was revoked meanwhile opens nothing.
      if (!(await tokens.counts(tokenId)))
        throw new Failure('Unauthorized', 'The token was revoked, or it expired, during the wait.');
      return found(await findRun(db, tenantId, wanted.runId), `run ${wanted.runId}`);
    },
    endAll() {
      closing = true;
      for (const end of waits) end();
    },
  };
}
