// The way of a first token through the product, as its processes write it down (`trace-probe.ts`).
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { wayPoints } from '../../../activities/store/log/trace.ts';
import { percentile } from './pairs.ts';

export interface Trace {
  /** How the product must be started for its way to be written down. */
  environment: Record<string, string>;
  /** The median milliseconds of each part, by what ended it, of the runs asked for and whose first token was seen then. */
  parts(seen: ReadonlyMap<string, { begun: number; token: number }>): Promise<Record<string, number>>;
  [Symbol.asyncDispose](): Promise<void>;
}

export async function openTrace(): Promise<Trace> {
  const folder = await mkdtemp(path.join(tmpdir(), 'perdure-trace-'));
  const file = path.join(folder, 'passed');
  const probe = path.join(import.meta.dirname, 'trace-probe.ts');
  return {
    environment: { NODE_OPTIONS: `--import=${probe}`, TRACE_PROBE_FILE: file },
    async parts(seen) {
      const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
      const passed = new Map<string, { at: number; point: string }[]>();
      for (const line of lines) {
        const [at, point = '', stream = ''] = line.split(' ');
        passed.set(stream, [...(passed.get(stream) ?? []), { at: Number(at), point }]);
      }
      const parts = new Map<string, number[]>();
      for (const [id, { begun, token }] of seen) {
        let before = begun;
        const end = (point: string, at: number): void => {
          parts.set(point, [...(parts.get(point) ?? []), at - before]);
          before = at;
        };
        const way = (passed.get(`run/${id}`) ?? []).toSorted((one, other) => one.at - other.at);
        // Each is the first of its kind after the one before: points of earlier events are not part of this way.
        let from = 0;
        for (const point of wayPoints) {
          const at = way.findIndex((each, index) => index >= from && each.point === point);
          if (at < 0) continue;
          from = at + 1;
          end(point, way[at]?.at ?? before);
        }
        end('seen', token);
      }
      return Object.fromEntries([...parts].map(([point, took]) => [point, percentile(took, 0.5)]));
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  };
}
