// Loaded into every process of Node's that is measured: writes how large V8's heap is when a SIGPROF asks.
import { renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { isMainThread } from 'node:worker_threads';

const folder = process.env['HEAP_PROBE_FOLDER'];
if (folder !== undefined && isMainThread) {
  const file = path.join(folder, String(process.pid));
  process.on('SIGPROF', () => {
    writeFileSync(`${file}.new`, `${process.hrtime.bigint()} ${process.memoryUsage().heapTotal}\n`);
    renameSync(`${file}.new`, file);
  });
  writeFileSync(`${file}.ready`, '');
}
