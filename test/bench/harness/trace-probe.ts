// Loaded into every process of Node's of the product when its way is traced: writes down what passes.
import { subscribe } from 'node:diagnostics_channel';
import { appendFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';
import type { Passed } from '../../../activities/store/log/trace.ts';

const file = process.env['TRACE_PROBE_FILE'];
if (file !== undefined && isMainThread) {
  subscribe('perdure:passed', (message) => {
    const { stream, point } = message as Passed;
    // Each line is written whole, although several processes write to the file.
    appendFileSync(file, `${performance.timeOrigin + performance.now()} ${point} ${stream}\n`);
  });
}
