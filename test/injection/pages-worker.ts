// The product's own worker, for which one name of the web leads to the test's pages. Every other name and address is
// refused or allowed as ever; the pages' address is spelled as nothing else can spell it.
import pino from 'pino';
import { addressProblem } from '../../activities/egress/address.ts';
import { publicEgress } from '../../activities/egress/egress.ts';
import { createFetch } from '../../activities/tools/fetch.ts';
import { loadConfig } from '../../worker/config/config.ts';
import type { RoleConfig } from '../../worker/processes/deps.ts';
import { readyFile } from '../../worker/data-folder.ts';
import { writeFileWhole } from '../../worker/write-file-whole.ts';
import { prepareWorker } from '../../worker/processes/worker-process.ts';

// The parser of addresses writes it as ::ffff:7f00:1, so that no address a model writes is taken for this one.
const pagesAddress = '::ffff:127.0.0.1';
const pagesName = 'pages.example';

const fetch = createFetch({
  resolve(hostname, done) {
    if (hostname === pagesName) done(null, [{ address: pagesAddress, family: 6 }]);
    else publicEgress.resolve(hostname, done);
  },
  addressProblem: (address) => (address === pagesAddress ? undefined : addressProblem(address)),
});

const config = loadConfig() as RoleConfig;
const logger = pino({ level: 'info' }, pino.destination({ dest: 1, sync: true }));
const prepared = await prepareWorker(config, logger, {
  deps: (deps) => ({ ...deps, tools: deps.tools.map((tool) => (tool.name === 'fetch' ? fetch : tool)) }),
  activities: (activities) => activities,
});
const worker = await prepared.activate();
writeFileWhole(readyFile(config.dataFolder, 'worker'), String(process.pid));
process.once('SIGTERM', () => worker.stop());
await worker.running;
process.exit(0);
